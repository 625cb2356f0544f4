//! The official Python client, with the stories in `tests/python/stories.py`.

use std::path::Path;
use std::process::Command;

use e2e::together;
use testkit::{finish, tools};

/// Tells one story of the script.
#[track_caller]
fn tell(story: &str) {
    let up = together();
    up.member("member1");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/stories.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(up.kubeconfig()).args(["karmada-apiserver", story]);
    command.env("PYTHONPATH", tools::tool("python")).env("PYTHONDONTWRITEBYTECODE", "1");
    finish(story, command, "").ok();
}

macro_rules! told_in_python {
    ($($story:ident),* $(,)?) => {
        $(#[test] fn $story() {
            tell(stringify!($story));
        })*

        #[test]
        fn every_story_of_the_script_is_told() {
            let script = include_str!("python/stories.py");
            let stories = script.lines().filter_map(|line| line.strip_prefix("def ")?.strip_suffix("(ns):"));
            let told = [$(stringify!($story)),*];
            let untold: Vec<&str> = stories.filter(|story| !told.contains(story)).collect();
            assert!(untold.is_empty(), "{untold:?}");
        }
    };
}

told_in_python!(
    core_objects_are_created_read_changed_and_deleted,
    deployments_are_scaled_and_patched_in_every_way,
    a_watch_tells_of_every_change,
    an_old_watch_is_told_that_it_is_too_old_or_goes_on,
    custom_objects_are_objects_like_others,
    the_dynamic_client_discovers_and_applies,
    pages_fit_together,
    refusals_are_statuses,
    rights_and_versions_can_be_asked_for,
    manifests_are_created_from_dictionaries,
);
