//! What opens an account of Azure's for records, as an operator says it. A key is named by its file,
//! and stands in no argument.

use std::path::PathBuf;

use clap::Args;
use node::open::{CosmosAccess, CosmosChoice};

use crate::place::{Identity, key_in};
use crate::trouble::Trouble;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CosmosKey {
    /// File with a key of the account of Cosmos DB; by default the identity of the machine opens it
    #[arg(long, env = "GIGAMESH_COSMOS_KEY_FILE", value_name = "FILE")]
    cosmos_key_file: Option<PathBuf>,
}

impl CosmosKey {
    /// The same database, opened by what was said.
    pub(crate) fn opens(
        &self,
        choice: &CosmosChoice,
        identity: &Identity,
    ) -> Result<CosmosChoice, Trouble> {
        let key = self.cosmos_key_file.as_deref().map(key_in).transpose()?;
        let access = match (key, identity.workload()) {
            (Some(key), _) => CosmosAccess::Key(key),
            (None, Some((tenant, client, token_file))) => {
                CosmosAccess::Workload { tenant, client, token_file }
            }
            (None, None) => CosmosAccess::Managed { client: identity.client() },
        };
        Ok(CosmosChoice { access, ..choice.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_before_the_identity_of_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "c2VjcmV0\n").unwrap();
        let choice: CosmosChoice = "cosmos://acme.documents.azure.com/fleet".parse().unwrap();
        let identity = Identity::default();
        let by_key = CosmosKey { cosmos_key_file: Some(file) }.opens(&choice, &identity).unwrap();
        assert_eq!(by_key.access, CosmosAccess::Key("c2VjcmV0".into()));
        let by_machine = CosmosKey::default().opens(&choice, &identity).unwrap();
        assert_eq!(by_machine, choice);
        let nowhere = CosmosKey { cosmos_key_file: Some("/nowhere/key".into()) };
        assert!(nowhere.opens(&choice, &identity).is_err());
    }
}
