//! A nats-server's configuration as text. What is in it is no secret, and who may do what stands in
//! the signed tokens alone.

use std::fmt;
use std::path::Path;

use super::keys::Signed;

/// A body of 1 MiB, and what stands beside it.
const MAX_PAYLOAD: usize = bus::MAX_BODY + (16 << 10);

pub(super) struct Server<'a> {
    pub(super) listen: &'a str,
    pub(super) monitor: &'a str,
    pub(super) store: &'a Path,
    pub(super) tls: Option<Tls<'a>>,
    pub(super) operator: String,
    pub(super) system: Signed,
    pub(super) accounts: &'a [Signed],
}

pub(super) struct Tls<'a> {
    pub(super) certificate: &'a Path,
    pub(super) key: &'a Path,
    /// Who signed what clients must show.
    pub(super) clients: Option<&'a Path>,
}

impl fmt::Display for Server<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, monitor, store, operator, system, .. } = self;
        writeln!(out, "# Written by `gigamesh nats config`, which writes it again.\n")?;
        writeln!(out, "listen: {listen:?}")?;
        writeln!(out, "# Monitoring: it alone tells when the server syncs.")?;
        writeln!(out, "http: {monitor:?}")?;
        writeln!(out, "max_payload: {MAX_PAYLOAD}\n")?;
        writeln!(out, "jetstream {{\n  store_dir: {store:?}")?;
        writeln!(out, "  # Each write is on disk before it is acknowledged.")?;
        writeln!(out, "  sync_interval: always\n}}\n")?;
        if let Some(tls) = &self.tls {
            writeln!(out, "{tls}")?;
        }
        writeln!(out, "# Nobody without a token: who may do what is signed into the accounts.")?;
        writeln!(out, "operator: {operator}")?;
        writeln!(out, "system_account: {}", system.id)?;
        writeln!(out, "resolver: MEMORY")?;
        writeln!(out, "resolver_preload {{")?;
        for Signed { id, token } in std::iter::once(system).chain(self.accounts) {
            writeln!(out, "  {id}: {token}")?;
        }
        out.write_str("}")
    }
}

impl fmt::Display for Tls<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certificate, key, clients } = self;
        writeln!(out, "tls {{\n  cert_file: {certificate:?}\n  key_file: {key:?}")?;
        if let Some(clients) = clients {
            writeln!(out, "  # A client shows a certificate of its own, beside its token.")?;
            writeln!(out, "  ca_file: {clients:?}\n  verify: true")?;
        }
        writeln!(out, "  timeout: 5\n}}")
    }
}
