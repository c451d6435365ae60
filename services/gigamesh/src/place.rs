//! Where a process keeps the bytes of artifacts, and what opens that place, as an operator says it.
//! A secret is named by its file, and stands in no argument.

use std::fs;
use std::path::{Path, PathBuf};

use blob::{Access, Azure, S3, S3Secret};
use clap::Args;
use node::open::BlobsChoice;

use crate::trouble::Trouble;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Place {
    /// Where the bytes of artifacts are, the same for the roles artifact and gateway: memory,
    /// disk:DIR, azure://ACCOUNT/CONTAINER or s3://BUCKET; by default blobs in the data folder
    #[arg(long, env = "GIGAMESH_BLOBS", value_name = "PLACE")]
    blobs: Option<BlobsChoice>,
    /// File with the key of an Azure account, or with ID:SECRET of S3; by default the identity of
    /// the machine opens it
    #[arg(long, env = "GIGAMESH_BLOBS_KEY_FILE", value_name = "FILE")]
    blobs_key_file: Option<PathBuf>,
    /// Address of an emulator, of another cloud, or of what speaks like S3
    #[arg(long, env = "GIGAMESH_BLOBS_ENDPOINT", value_name = "URL")]
    blobs_endpoint: Option<String>,
    /// File with certificates that are trusted there besides the machine's
    #[arg(long, env = "GIGAMESH_BLOBS_CA_FILE", value_name = "FILE")]
    blobs_ca_file: Option<PathBuf>,
    /// Region of an S3 bucket
    #[arg(long, env = "GIGAMESH_BLOBS_REGION", value_name = "REGION")]
    blobs_region: Option<String>,
    #[command(flatten)]
    pub(crate) identity: Identity,
}

/// As Azure gives it to a machine or a workload.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Identity {
    /// The tenant of a workload
    #[arg(long, env = "AZURE_TENANT_ID", hide = true)]
    azure_tenant: Option<String>,
    /// The identity of a workload, or one of several of the machine
    #[arg(long, env = "AZURE_CLIENT_ID", hide = true)]
    azure_client: Option<String>,
    /// Who gives out the identity of the machine, as Azure's apps and containers are told
    #[arg(long, env = "IDENTITY_ENDPOINT", hide = true)]
    azure_identity: Option<String>,
    /// File of the token of a workload, which Azure renews
    #[arg(long, env = "AZURE_FEDERATED_TOKEN_FILE", hide = true)]
    azure_token_file: Option<PathBuf>,
}

impl Identity {
    /// Tenant, client and the file of the token, where all three are known.
    pub(crate) fn workload(&self) -> Option<(String, String, PathBuf)> {
        let (tenant, client) = (self.azure_tenant.clone()?, self.azure_client.clone()?);
        Some((tenant, client, self.azure_token_file.clone()?))
    }

    /// Which of the machine's.
    pub(crate) fn client(&self) -> Option<String> {
        self.azure_client.clone()
    }
}

impl Place {
    /// What was said, opened by what was said; nothing where nothing was said.
    pub(crate) fn said(&self) -> Result<Option<BlobsChoice>, Trouble> {
        Ok(Some(match &self.blobs {
            None => return Ok(None),
            Some(BlobsChoice::Memory) => BlobsChoice::Memory,
            Some(BlobsChoice::Disk(folder)) => BlobsChoice::Disk(folder.clone()),
            Some(BlobsChoice::Azure(azure)) => BlobsChoice::Azure(self.azure(azure)?),
            Some(BlobsChoice::S3(s3)) => BlobsChoice::S3(self.s3(s3)?),
        }))
    }

    fn azure(&self, azure: &Azure) -> Result<Azure, Trouble> {
        let access = match (self.key()?, self.identity.workload()) {
            (Some(key), _) => Access::Key(key),
            (None, Some((tenant, client, token_file))) => {
                Access::Workload { tenant, client, token_file }
            }
            (None, None) => Access::Managed {
                client: self.identity.client(),
                endpoint: self.identity.azure_identity.clone(),
            },
        };
        let (endpoint, roots) = (self.blobs_endpoint.clone(), self.roots()?);
        Ok(Azure { access, endpoint, roots, ..azure.clone() })
    }

    fn s3(&self, s3: &S3) -> Result<S3, Trouble> {
        let secret = self.key()?.map(|key| match key.split_once(':') {
            Some((id, key)) if !id.is_empty() && !key.is_empty() => {
                Ok(S3Secret { id: id.to_owned(), key: key.to_owned() })
            }
            _ => Err(Trouble::usage("the file of the key does not hold ID:SECRET")),
        });
        let (region, endpoint) = (self.blobs_region.clone(), self.blobs_endpoint.clone());
        Ok(S3 { region, endpoint, roots: self.roots()?, secret: secret.transpose()?, ..s3.clone() })
    }

    fn roots(&self) -> Result<Option<Vec<u8>>, Trouble> {
        self.blobs_ca_file.as_deref().map(bytes).transpose()
    }

    fn key(&self) -> Result<Option<String>, Trouble> {
        self.blobs_key_file.as_deref().map(key_in).transpose()
    }
}

/// A secret's file holds nothing else.
pub(crate) fn key_in(file: &Path) -> Result<String, Trouble> {
    let key = String::from_utf8_lossy(&bytes(file)?).trim().to_owned();
    if key.is_empty() {
        return Err(Trouble::usage(format!("{} is empty", file.display())));
    }
    Ok(key)
}

fn bytes(file: &Path) -> Result<Vec<u8>, Trouble> {
    let unread = |error: std::io::Error| {
        Trouble::usage(format!("{} cannot be read", file.display())).caused_by(&error)
    };
    fs::read(file).map_err(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, key: Option<&Path>) -> Place {
        let blobs = Some(text.parse().unwrap());
        Place { blobs, blobs_key_file: key.map(Into::into), ..Place::default() }
    }

    fn access(place: &Place) -> Access {
        let Ok(Some(BlobsChoice::Azure(azure))) = place.said() else { panic!("{place:?}") };
        azure.access
    }

    #[test]
    fn a_key_comes_before_a_workload_and_a_workload_before_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, "c2VjcmV0\n").unwrap();
        let (tenant, client) = ("tenant".to_owned(), "client".to_owned());
        let mut place = place("azure://acme/fleet", Some(&file));
        place.identity.azure_client = Some(client.clone());
        place.identity.azure_tenant = Some(tenant.clone());
        place.identity.azure_token_file = Some("/token".into());
        assert_eq!(access(&place), Access::Key("c2VjcmV0".into()));
        place.blobs_key_file = None;
        let token_file = PathBuf::from("/token");
        let workload = Access::Workload { tenant, client: client.clone(), token_file };
        assert_eq!(access(&place), workload);
        place.identity.azure_token_file = None;
        place.identity.azure_identity = Some("http://127.0.0.1:1/token".into());
        let (client, endpoint) = (Some(client), place.identity.azure_identity.clone());
        assert_eq!(access(&place), Access::Managed { client, endpoint });
        assert!(!format!("{:?}", Access::Key("c2VjcmV0".into())).contains("c2Vj"));
    }

    #[test]
    fn the_key_of_s3_is_two_words_and_a_file_that_says_nothing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let opened = |text: &str| {
            fs::write(&file, text).unwrap();
            let said = place("s3://fleet", Some(&file)).said();
            said.map(|said| match said {
                Some(BlobsChoice::S3(s3)) => s3.secret.expect("a secret"),
                other => panic!("{other:?}"),
            })
        };
        let secret = S3Secret { id: "id".into(), key: "a:b/c".into() };
        assert_eq!(opened("id:a:b/c\n").unwrap(), secret);
        for wrong in ["", "\n", "id", "id:", ":secret"] {
            let refused = opened(wrong).unwrap_err();
            assert_eq!(refused.0.exit, cli::Exit::Usage, "{wrong:?}");
        }
        let missing = place("azure://acme/fleet", Some(&folder.path().join("nowhere")));
        assert!(missing.said().is_err());
        assert!(Place::default().said().unwrap().is_none());
    }
}
