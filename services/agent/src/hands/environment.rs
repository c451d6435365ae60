//! The environment of a job's process: an allow-list of the agent's own, and what the run is to
//! know. Reads no environment itself, and hands on no credential.

use std::collections::BTreeMap;

use crate::errand::Errand;
use crate::hands::folder::Folder;

const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "TERM"];
const INHERITED_FAMILY: &str = "LC_";

/// Of `ours`, what a job's process may see.
pub(crate) fn allowed(
    ours: &BTreeMap<String, String>,
    pass: &[String],
) -> BTreeMap<String, String> {
    let may = |name: &str| {
        INHERITED.contains(&name)
            || name.starts_with(INHERITED_FAMILY)
            || pass.iter().any(|passed| passed == name)
    };
    ours.iter()
        .filter(|(name, _)| may(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What the run's profile adds, instead of what is inherited.
pub(crate) fn of_profile(errand: &Errand) -> BTreeMap<String, String> {
    errand.profile.as_ref().map(|profile| profile.env.0.clone()).unwrap_or_default()
}

/// What the run is told of itself.
pub(crate) fn of_run(errand: &Errand, folder: &Folder) -> BTreeMap<String, String> {
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let grip = errand.grip;
    let mut told = vec![
        ("JOB_ID", grip.job.to_string()),
        ("RUN_ID", errand.nonce.to_string()),
        ("EPOCH", grip.epoch.to_string()),
        ("ATTEMPT", errand.attempt.to_string()),
        ("PRODUCT", errand.product.to_string()),
        ("KEY", errand.key.clone()),
        ("BODY_FILE", path(&folder.body)),
        ("WORK_DIR", path(&folder.work)),
        ("ARTIFACTS_DIR", path(&folder.artifacts)),
        ("PROGRESS_FILE", path(&folder.progress)),
        ("INSIGHTS_FILE", path(&folder.insights)),
        ("WIP_BRANCH", format!("wip/{}/e{}", grip.job, grip.epoch)),
    ];
    if let Some(model) = errand.profile.as_ref().and_then(|profile| profile.model.clone()) {
        told.push(("MODEL", model));
    }
    if let Some(checkpoint) = &errand.checkpoint {
        told.push(("CHECKPOINT_COMMIT", checkpoint.wip_commit.clone()));
        told.push(("CHECKPOINT_BASE", checkpoint.wip_base.clone()));
    }
    told.into_iter().map(|(name, value)| (format!("GIGAMESH_{name}"), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_inherited_but_what_is_listed() {
        let ours = ["PATH", "LC_ALL", "GIGAMESH_TOKEN", "SECRET", "EXTRA"];
        let ours = ours.map(|name| (name.to_owned(), String::from("x"))).into();
        let seen = allowed(&ours, &[String::from("EXTRA")]);
        assert_eq!(seen.into_keys().collect::<Vec<_>>(), ["EXTRA", "LC_ALL", "PATH"]);
    }
}
