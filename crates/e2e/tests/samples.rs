//! Every folder in `samples/` is followed as its README tells, on a control plane with three members.

use std::collections::BTreeSet;

use e2e::{Up, console};
use testkit::tools;

macro_rules! samples {
    ($($test:ident: $folder:literal,)*) => {
        const FOLLOWED: &[&str] = &[$($folder),*];
        $(
            #[test]
            fn $test() {
                // What a sample leaves behind would change where the next one has room.
                let up = Up::start(&[]);
                console::follow(&up, concat!("samples/", $folder, "/README.md"));
            }
        )*
    };
}

samples! {
    nginx_spreads_over_all_clusters: "nginx",
    affinity_chooses_clusters: "affinity",
    replicas_spread_over_regions: "spread-by-region",
    weights_divide_replicas: "weights",
    aggregated_replicas_stay_together: "aggregated",
    overflow_takes_what_the_first_choice_cannot: "overflow",
    overrides_adapt_each_copy: "overrides",
    lua_teaches_a_kind_of_your_own: "custom-resource",
    dependencies_travel_along: "dependencies",
    an_exported_service_resolves_elsewhere: "exported-service",
    why_explains_a_placement: "why",
    plan_shows_what_then_happens: "plan",
}

#[test]
fn no_sample_is_forgotten() {
    let folder = tools::workspace().join("samples");
    let entries = std::fs::read_dir(&folder).expect("samples are in the repository");
    let found: BTreeSet<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let followed: BTreeSet<String> = FOLLOWED.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(found, followed);
}
