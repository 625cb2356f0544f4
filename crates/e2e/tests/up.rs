//! The first minutes: start, look around, stop, come back.
#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::{SOON, Up};
use testkit::{Cluster, Folder, Kubectl, Outcome, Version, eventually, finish, free_port, tools};

/// `karmada` in a folder; whatever runs there is ended with the story.
struct Background {
    folder: Folder,
    port: String,
}

impl Background {
    fn new() -> Self {
        Self { folder: Folder::new("background"), port: free_port().to_string() }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    #[track_caller]
    fn karmada(&self, line: &str) -> Outcome {
        let mut command = Command::new(tools::program("karmada"));
        command.args(line.split_whitespace()).arg("--data-dir").arg(self.data());
        finish(&format!("karmada {line}"), command, "")
    }

    #[track_caller]
    fn up(&self, more: &str) -> Outcome {
        self.karmada(&format!("up --port {} {more}", self.port))
    }

    fn control_plane(&self) -> Cluster {
        Cluster::open(&self.data().join("karmada.config"), "karmada-apiserver").unwrap()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let mut down = Command::new(tools::program("karmada"));
        let _ = down.arg("down").arg("--data-dir").arg(self.data()).output();
    }
}

#[test]
fn one_command_starts_everything_in_the_background_and_one_ends_it() {
    let here = Background::new();
    let told = here.up("--detach --sample").ok();
    assert!(told.contains("kubectl get clusters"), "it says what to do next:\n{told}");
    let status = here.karmada("status").ok();
    assert!(status.lines().next().is_some_and(|line| line.contains("ready")), "{status}");
    for member in ["member1", "member2", "member3"] {
        assert!(status.lines().any(|line| line.starts_with(member) && line.contains("ready")), "{status}");
    }
    let kubectl = Kubectl::new(Version::Current, &here.control_plane(), here.folder.path());
    assert_eq!(kubectl.ok("get deployment nginx -o jsonpath={.status.readyReplicas}"), "3");
    let told = here.up("--detach").complaint();
    assert!(told.contains("already runs"), "{told}");

    let told = here.karmada("down").ok();
    assert!(told.contains("stopped"), "{told}");
    let told = here.karmada("status").complaint();
    assert!(told.contains("does not run"), "{told}");

    // Everything is still there the next time.
    here.up("--detach").ok();
    eventually(SOON, "the sample is as it was", || {
        let nginx = here.control_plane().get("apps/v1/deployments", "default", "nginx")?;
        anyhow::ensure!(nginx.i64_at("/status/readyReplicas") == Some(3), "{:?}", nginx.at("/status"));
        Ok(())
    });
    here.karmada("down --delete-data").ok();
    assert!(!here.data().exists(), "nothing is left of it");
    let told = here.karmada("down").ok();
    assert!(told.contains("does not run"), "{told}");
}

#[test]
fn data_of_somebody_else_in_the_folder_is_not_deleted() {
    let here = Background::new();
    here.up("--detach --members 0").ok();
    std::fs::write(here.data().join("diary"), "private").unwrap();
    here.karmada("down --delete-data").ok();
    assert_eq!(std::fs::read_to_string(here.data().join("diary")).unwrap(), "private");
    assert!(!here.data().join("karmada").exists());
}

/// Everything below a folder that others than its owner can look into.
fn open_to_others(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_secret = name.ends_with(".key") || name.ends_with(".config");
        if mode & 0o077 != 0 && (is_secret || entry.path().is_dir()) {
            found.push(format!("{} {:o}", entry.path().display(), mode & 0o777));
        }
        if entry.path().is_dir() {
            open_to_others(&entry.path(), found);
        }
    }
}

#[test]
fn keys_and_data_are_for_their_owner_alone() {
    let up = Up::start(&["--members", "1"]);
    let mode = std::fs::metadata(up.data()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the data folder");
    let mut found = Vec::new();
    open_to_others(&up.data(), &mut found);
    // Folders inside of one that is closed are closed enough; keys and kubeconfigs must be by themselves.
    found.retain(|entry| entry.contains(".key ") || entry.contains(".config "));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let here = Background::new();
    let told = here.karmada(&format!("up --members 0 --port {port}")).complaint();
    assert!(told.contains(&port), "{told}");
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
}

#[test]
fn it_ends_well_when_asked_to_and_knows_its_clusters_afterwards() {
    let mut up = Up::start(&["--members", "2"]);
    let uid = up.control_plane().get("cluster.karmada.io/v1alpha1/clusters", "", "member2").unwrap();
    assert!(up.program().stop(Duration::from_secs(30)).success());
    up.start_again();
    let again = up.control_plane().get("cluster.karmada.io/v1alpha1/clusters", "", "member2").unwrap();
    assert_eq!(uid.uid(), again.uid());
    up.member("member2");
}

#[test]
fn too_many_members_are_refused_before_anything_starts() {
    let here = Background::new();
    let told = here.up("--members 1000").complaint();
    assert!(told.contains("--members"), "{told}");
    assert!(!here.data().join("karmada").exists());
}
