use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, ManualClock};
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{ServerName, UnixTime};

use super::kubeconfig::{Credentials, Entry};
use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn clock() -> (Clock, ManualClock) {
    Clock::manual("2030-06-01T12:00:00Z".parse().unwrap())
}

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pki-test-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority.certificate_pem()).unwrap() {
        roots.add(certificate).unwrap();
    }
    Arc::new(roots)
}

fn unix(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(at.as_second() as u64))
}

/// Whether a TLS client that trusts the authority accepts the server under this name.
fn server_is_accepted(authority: &Authority, pem: &str, name: &str, at: Timestamp) -> bool {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(authority), provider).build().unwrap();
    let chain = certificates(pem).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], unix(at)).is_ok()
}

/// Whether a TLS server that trusts the authority accepts the client.
fn client_is_accepted(authority: &Authority, pem: &str, at: Timestamp) -> bool {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(authority), provider).build().unwrap();
    let chain = certificates(pem).unwrap();
    verifier.verify_client_cert(&chain[0], &chain[1..], unix(at)).is_ok()
}

#[test]
fn a_server_is_accepted_under_its_names_only() {
    let (clock, _) = clock();
    let authority = Authority::create("test", &clock).unwrap();
    let server = Profile::server("apiserver", ["localhost", "127.0.0.1", "::1", "kubernetes.default.svc"]);
    let pem = authority.issue(&server).unwrap().certificate_pem;
    for name in ["localhost", "127.0.0.1", "::1", "kubernetes.default.svc"] {
        assert!(server_is_accepted(&authority, &pem, name, clock.now()), "{name}");
    }
    for name in ["example.org", "127.0.0.2", "svc"] {
        assert!(!server_is_accepted(&authority, &pem, name, clock.now()), "{name}");
    }
    assert!(!client_is_accepted(&authority, &pem, clock.now()), "a server is no client");
    let stranger = Authority::create("test", &clock).unwrap();
    assert!(!server_is_accepted(&stranger, &pem, "localhost", clock.now()));
}

#[test]
fn a_client_carries_its_user_and_all_its_groups() {
    let (clock, _) = clock();
    let authority = Authority::create("test", &clock).unwrap();
    let profile = Profile::client("jörg", ["system:masters", "team-a", "team-b"]);
    let pem = authority.issue(&profile).unwrap().certificate_pem;
    assert!(client_is_accepted(&authority, &pem, clock.now()));
    assert!(!server_is_accepted(&authority, &pem, "localhost", clock.now()));
    let read = Certificate::parse_pem(&pem).unwrap();
    assert_eq!(read.common_name, "jörg");
    assert_eq!(read.organizations, ["system:masters", "team-a", "team-b"]);
    assert_eq!(read.issuer, "test");
    assert!(read.client_auth && !read.server_auth && !read.is_ca);
}

#[test]
fn certificates_are_valid_for_their_time() {
    let (clock, _) = clock();
    let authority = Authority::create("test", &clock).unwrap();
    let pem = authority.issue(&Profile::client("u", [] as [&str; 0])).unwrap().certificate_pem;
    let at = |text: &str| text.parse().unwrap();
    for (time, valid) in [
        ("2030-06-01T11:54:00Z", false),
        ("2030-06-01T11:56:00Z", true),
        ("2031-06-01T11:59:59Z", true),
        ("2031-06-01T12:00:01Z", false),
    ] {
        assert_eq!(client_is_accepted(&authority, &pem, at(time)), valid, "{time}");
    }
    assert_eq!(
        Certificate::parse_pem(authority.certificate_pem()).unwrap().not_after.to_string(),
        "2040-05-29T12:00:00Z"
    );
}

#[test]
fn dates_after_2049_are_written_in_their_own_form() {
    let clock = Clock::fixed("2055-01-01T00:00:00Z".parse().unwrap());
    let authority = Authority::create("test", &clock).unwrap();
    let pem = authority.issue(&Profile::client("u", ["g"])).unwrap().certificate_pem;
    assert!(client_is_accepted(&authority, &pem, clock.now()));
    assert_eq!(Certificate::parse_pem(&pem).unwrap().not_after.to_string(), "2056-01-01T00:00:00Z");
}

#[test]
fn an_authority_is_found_again_and_its_files_are_private() {
    let (clock, _) = clock();
    let dir = Dir::new("again");
    let folder = dir.0.join("pki");
    let first = Authority::load_or_create(&folder, "ca", "test", &clock).unwrap();
    let second = Authority::load_or_create(&folder, "ca", "other", &clock).unwrap();
    assert_eq!(first.certificate_pem(), second.certificate_pem());
    let pem = second.issue(&Profile::server("s", ["localhost"])).unwrap().certificate_pem;
    assert!(server_is_accepted(&first, &pem, "localhost", clock.now()));
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    assert_eq!(mode(folder.join("ca.key")), 0o600);
    std::fs::remove_file(folder.join("ca.crt")).unwrap();
    let third = Authority::load_or_create(&folder, "ca", "test", &clock).unwrap();
    assert!(server_is_accepted(&third, &pem, "localhost", clock.now()), "the key still vouches");
    std::fs::remove_file(folder.join("ca.key")).unwrap();
    let error = Authority::load_or_create(&folder, "ca", "test", &clock).unwrap_err().to_string();
    assert!(error.contains("ca.key") && error.contains("missing"), "{error}");
}

#[test]
fn an_authority_does_not_take_a_key_or_certificate_that_is_not_its_own() {
    let (clock, _) = clock();
    let authority = Authority::create("test", &clock).unwrap();
    let other = Authority::create("other", &clock).unwrap();
    let leaf = authority.issue(&Profile::client("u", ["g"])).unwrap();
    for (certificate, key) in [
        (authority.certificate_pem(), other.key_pem()),
        (&leaf.certificate_pem, leaf.key_pem.clone()),
        ("", authority.key_pem()),
        (authority.certificate_pem(), String::new()),
        (authority.certificate_pem(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".into()),
    ] {
        assert!(Authority::parse(certificate, &key, &clock).is_err());
    }
}

#[test]
fn a_certificate_is_kept_until_its_last_third_and_while_it_fits() {
    let (clock, manual) = clock();
    let dir = Dir::new("renew");
    let authority = Authority::create("test", &clock).unwrap();
    let profile = Profile::server("s", ["localhost"]);
    let ensure =
        |authority: &Authority, profile: &Profile| authority.ensure(&dir.0, "server", profile).unwrap();
    let first = ensure(&authority, &profile);
    manual.advance(240 * DAY);
    assert_eq!(ensure(&authority, &profile), first, "two thirds of a year are not over");
    manual.advance(5 * DAY);
    let renewed = ensure(&authority, &profile);
    assert_ne!(renewed, first);
    let wider = ensure(&authority, &Profile::server("s", ["localhost", "10.0.0.1"]));
    assert_ne!(wider, renewed, "another name needs another certificate");
    let other = Authority::create("test", &clock).unwrap();
    assert_ne!(ensure(&other, &Profile::server("s", ["localhost", "10.0.0.1"])), wider);
    std::fs::write(dir.0.join("server.crt"), "garbage").unwrap();
    let repaired = ensure(&other, &profile);
    assert!(server_is_accepted(&other, &repaired.certificate_pem, "localhost", clock.now()));
}

fn request(organizations: &[&str]) -> (String, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["node.example".into(), "10.1.2.3".into()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for organization in organizations {
        params.distinguished_name.push(rcgen::DnType::OrganizationName, *organization);
    }
    params.distinguished_name.push(rcgen::DnType::CommonName, "system:node:n1");
    (params.serialize_request(&key).unwrap().pem().unwrap(), key)
}

#[test]
fn a_request_is_signed_as_asked_with_the_usages_given() {
    let (clock, _) = clock();
    let authority = Authority::create("test", &clock).unwrap();
    let (pem, _) = request(&["system:nodes"]);
    let request = Request::parse_pem(&pem).unwrap();
    assert_eq!(
        (request.common_name.as_str(), &*request.organizations),
        ("system:node:n1", &["system:nodes".to_owned()][..])
    );
    let usages = ["digital signature", "client auth"].map(|name| Usage::parse(name).unwrap());
    let signed = authority.sign_request(&request, &usages, DAY).unwrap();
    assert!(client_is_accepted(&authority, &signed, clock.now()));
    let read = Certificate::parse_pem(&signed).unwrap();
    assert_eq!(read.common_name, "system:node:n1");
    assert_eq!(read.dns_names, ["node.example"]);
    assert_eq!(read.addresses, ["10.1.2.3".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(read.not_after, clock.now().checked_add(DAY).unwrap());
    let long = authority.sign_request(&request, &usages, 9_999 * DAY).unwrap();
    let own_end = Certificate::parse_pem(authority.certificate_pem()).unwrap().not_after;
    assert_eq!(Certificate::parse_pem(&long).unwrap().not_after, own_end);
}

#[test]
fn a_request_that_was_changed_after_signing_is_refused() {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let (pem, _) = request(&["o"]);
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = engine.decode(body).unwrap();
    let at = der.windows(12).position(|w| w == b"system:node:").unwrap();
    der[at] = b'S';
    let pem = format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        engine.encode(der)
    );
    assert!(Request::parse_pem(&pem).is_err());
    assert!(Request::parse_pem("nothing").is_err());
}

#[test]
fn usages_have_their_kubernetes_names() {
    assert_eq!(Usage::parse("client auth"), Some(Usage::CLIENT_AUTH));
    assert_eq!(Usage::parse("server auth").unwrap().name(), "server auth");
    assert_eq!(Usage::parse("flying"), None);
}

#[test]
fn a_token_key_keeps_its_id() {
    let dir = Dir::new("token");
    let path = dir.0.join("sa.key");
    let first = TokenKey::load_or_create(&path).unwrap();
    let second = TokenKey::load_or_create(&path).unwrap();
    assert_eq!(first.id(), second.id());
    assert_eq!(first.id().len(), 43, "32 bytes in base64url");
    assert_eq!(first.coordinates().0.len(), 43);
    assert!(second.public_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
    assert_ne!(TokenKey::generate().unwrap().id(), first.id());
}

#[test]
fn the_id_of_a_known_key_is_the_hash_of_its_public_der() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let key = TokenKey::generate().unwrap();
    let body: String = key.public_pem().lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    let hash = sha2::Sha256::digest(der);
    assert_eq!(key.id(), base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash));
}

fn entry(name: &str, token: &str) -> Entry {
    Entry::new(name, "https://127.0.0.1:5443", "CA", Credentials::Token(token.into()))
}

#[test]
fn a_kubeconfig_holds_several_contexts() {
    let mut config = Kubeconfig::default();
    config.set(&entry("karmada-apiserver", "a"));
    config.set(&entry("karmada-host", "b"));
    config.set(&entry("karmada-apiserver", "c"));
    let again = Kubeconfig::parse(&config.to_yaml()).unwrap();
    assert_eq!(again, config);
    assert_eq!(again.contexts().collect::<Vec<_>>(), ["karmada-apiserver", "karmada-host"]);
    assert_eq!(again.current(), "karmada-apiserver");
    let yaml = again.to_yaml();
    assert!(yaml.contains("certificate-authority-data: Q0E=") && !yaml.contains("token: a"), "{yaml}");
}

#[test]
fn what_others_put_into_a_kubeconfig_stays() {
    let theirs = "apiVersion: v1\nkind: Config\ncurrent-context: mine\nclusters:\n- name: mine\n  cluster: {server: https://x, tls-server-name: y}\ncontexts:\n- name: mine\n  context: {cluster: mine, user: me, namespace: n}\nusers:\n- name: me\n  user: {exec: {command: login}}\nextensions: [{name: e}]\n";
    let mut config = Kubeconfig::parse(theirs).unwrap();
    let before = config.clone();
    config.set(&entry("member1", "t"));
    assert_eq!(config.current(), "mine");
    config.remove("member1");
    config.remove("nobody");
    assert_eq!(config, before);
    let mut merged = Kubeconfig::default();
    merged.merge(&config);
    assert_eq!((merged.current(), merged.contexts().count()), ("mine", 1));
}

#[test]
fn removing_a_context_keeps_a_user_others_need() {
    let mut config = Kubeconfig::default();
    for name in ["member1", "member2"] {
        config.set(&Entry { user: "shared".into(), ..entry(name, "t") });
    }
    config.remove("member1");
    assert!(config.to_yaml().contains("shared"));
    assert_eq!(config.current(), "member2");
}

#[test]
fn a_kubeconfig_file_is_replaced_whole_and_private() {
    let dir = Dir::new("kubeconfig");
    let path = dir.0.join("deep/karmada.config");
    let mut config = Kubeconfig::read(&path).unwrap();
    config.set(&entry("karmada-apiserver", "t"));
    config.write(&path).unwrap();
    config.write(&path).unwrap();
    assert_eq!(Kubeconfig::read(&path).unwrap(), config);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left behind");
    std::fs::write(&path, "- a list").unwrap();
    let error = Kubeconfig::read(&path).unwrap_err().to_string();
    assert!(error.contains("karmada.config"), "{error}");
}
