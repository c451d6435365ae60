//! What this process was started with: flags that all verbs share, environment, folder, terminal.
//! The one place that looks for them.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cli::{Common, Door, Sink, Source, Terminal};
use clock::System;
use fleet::ProductId;
use gateway::{LocalToken, NotAToken};

use crate::signals::Interrupts;
use crate::trouble::Trouble;

#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    common: Common,
    pub(crate) environment: BTreeMap<String, String>,
    folder: PathBuf,
}

impl Surroundings {
    pub(crate) fn of_process(common: Common) -> Self {
        let folder = std::env::current_dir().unwrap_or_default();
        Self { common, environment: std::env::vars().collect(), folder }
    }

    /// The product of a fleet that is to be started.
    pub(crate) fn product(&self) -> Result<ProductId, Trouble> {
        let named =
            self.common.product.as_ref().or_else(|| self.environment.get("GIGAMESH_PRODUCT"));
        let named = named.map_or("local", String::as_str);
        named.parse().map_err(|error| {
            Trouble::usage(format!("{named:?} is no name of a product")).caused_by(&error)
        })
    }

    /// The token that a door is to open for: named by a flag or a variable, as a caller names it.
    pub(crate) fn token(&self) -> Result<Option<LocalToken>, Trouble> {
        let variable = |name| self.environment.get(name).filter(|value| !value.is_empty());
        let flag = self.common.token_file.clone();
        let typed = if flag.is_none() { variable("GIGAMESH_TOKEN") } else { None };
        let named = || variable("GIGAMESH_TOKEN_FILE").map(PathBuf::from);
        let (origin, text) = match (typed, flag.or_else(named)) {
            (Some(text), _) => (String::from("GIGAMESH_TOKEN"), text.clone()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(self.folder.join(&file)).map_err(|why| {
                    Trouble::usage(format!("the token file {} cannot be read", file.display()))
                        .caused_by(&why)
                        .next("name another with --token-file")
                })?;
                (file.display().to_string(), text.trim().to_owned())
            }
            (None, None) => return Ok(None),
        };
        text.parse().map(Some).map_err(|why: NotAToken| {
            Trouble::usage(format!("there is no token in {origin}"))
                .caused_by(&why)
                .next("head -c 32 /dev/urandom | base64, into a file that --token-file names")
        })
    }

    /// The fleet that flags, environment or files name.
    pub(crate) fn door(&self) -> Result<Door, Trouble> {
        Ok(cli::door(&self.common, &self.environment, &self.folder)?)
    }

    /// The nats-server that is named, or the first on the path, or among the project's own tools.
    /// The one that is named is taken without a look: if it is wrong, starting it says so.
    pub(crate) fn nats_server(&self) -> Option<PathBuf> {
        let set = |name| self.environment.get(name).filter(|value| !value.is_empty());
        if let Some(named) = set("GIGAMESH_NATS_SERVER") {
            return Some(named.into());
        }
        let path = set("PATH").map(std::env::split_paths).into_iter().flatten();
        let on_path = path.map(|folder| folder.join("nats-server"));
        on_path.chain(self.tools()).find(|program| program.is_file())
    }

    /// Below this folder and those above it.
    fn tools(&self) -> impl Iterator<Item = PathBuf> {
        let tools = |folder: &Path| std::fs::read_dir(folder.join("target/tools")).ok();
        let tools = self.folder.ancestors().filter_map(tools).flatten().flatten();
        let ours = |name: &str| name.starts_with("nats-server-");
        let ours = tools.filter(move |tool| tool.file_name().to_str().is_some_and(ours));
        ours.map(|tool| tool.path().join("bin/nats-server"))
    }

    /// One command of a client, to its end.
    pub(crate) async fn ask(self, verb: cli::Verb) -> Result<ExitCode, Trouble> {
        let mut interrupts = Interrupts::listen()?;
        let system = Arc::new(System::start());
        let place = cli::Surroundings {
            environment: self.environment,
            folder: self.folder,
            clock: Arc::clone(&system) as _,
            ids: system,
            interrupted: Box::pin(async move { interrupts.next().await }),
        };
        Ok(cli::run(verb, self.common, terminal(), place).await.into())
    }
}

pub(crate) fn terminal() -> Terminal {
    let out = io::stdout().is_terminal();
    Terminal {
        out: Sink { writer: Box::new(io::stdout()), is_terminal: out },
        err: Sink { writer: Box::new(io::stderr()), is_terminal: io::stderr().is_terminal() },
        input: Source { reader: Box::new(io::stdin()), is_terminal: io::stdin().is_terminal() },
        width: width(),
        colour: out,
    }
}

/// Columns; 80 where nobody tells.
fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0))
}
