//! What names, labels and keys may look like. Each function lists what is wrong with a text, in the
//! words Kubernetes uses; an empty list is a good text.

/// Longest DNS label in bytes.
pub const LABEL_LEN_MAX: usize = 63;
/// Longest DNS subdomain in bytes.
pub const SUBDOMAIN_LEN_MAX: usize = 253;

const LABEL_FMT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_1035_FMT: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED_FMT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// Says that a text is longer than allowed.
fn too_long(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// A rule in words, examples and the expression that states it.
fn pattern(rule: &str, fmt: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}'")).collect();
    format!("{rule} (e.g. {}, regex used for validation is '{fmt}')", examples.join(",  or "))
}

fn lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|b| lower_alphanumeric(*b))
        && bytes.last().is_some_and(|b| lower_alphanumeric(*b))
        && bytes.iter().all(|b| lower_alphanumeric(*b) || *b == b'-')
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`
fn is_qualified_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn checked(text: &str, max: usize, good: bool, rule: impl FnOnce() -> String) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > max {
        problems.push(too_long(max));
    }
    if !good {
        problems.push(rule());
    }
    problems
}

/// RFC 1123 label: names of namespaces, containers, services.
pub fn dns_label(text: &str) -> Vec<String> {
    checked(text, LABEL_LEN_MAX, is_label(text), || {
        pattern(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
             start and end with an alphanumeric character",
            LABEL_FMT,
            &["my-name", "123-abc"],
        )
    })
}

/// RFC 1123 subdomain: the names of most objects.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    checked(text, SUBDOMAIN_LEN_MAX, text.split('.').all(is_label), || {
        pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
             and must start and end with an alphanumeric character",
            &format!("{LABEL_FMT}(\\.{LABEL_FMT})*"),
            &["example.com"],
        )
    })
}

/// RFC 1035 label: like a DNS label, but starts with a letter.
pub fn dns1035_label(text: &str) -> Vec<String> {
    let good = is_label(text) && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    checked(text, LABEL_LEN_MAX, good, || {
        pattern(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
             alphabetic character, and end with an alphanumeric character",
            LABEL_1035_FMT,
            &["my-name", "abc-123"],
        )
    })
}

/// `*.` before a DNS subdomain: hosts of an Ingress.
pub fn wildcard_dns_subdomain(text: &str) -> Vec<String> {
    let good = text.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(is_label));
    checked(text, SUBDOMAIN_LEN_MAX, good, || {
        pattern(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
             consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{LABEL_FMT}(\\.{LABEL_FMT})*"),
            &["*.example.com"],
        )
    })
}

/// `[prefix/]name`: keys of labels and annotations, finalizers, extended resources.
pub fn qualified_name(text: &str) -> Vec<String> {
    let rule = || {
        pattern(
            "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
             alphanumeric character",
            QUALIFIED_FMT,
            &["MyName", "my.name", "123-abc"],
        )
    };
    let mut problems = Vec::new();
    let mut parts = text.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(""), Some(name), None) => {
            problems.push("prefix part must be non-empty".to_owned());
            name
        }
        (Some(prefix), Some(name), None) => {
            problems.extend(dns_subdomain(prefix).into_iter().map(|p| format!("prefix part {p}")));
            name
        }
        _ => {
            return vec![format!(
                "a qualified name {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                rule()
            )];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_LEN_MAX {
        problems.push(format!("name part {}", too_long(LABEL_LEN_MAX)));
    }
    if !is_qualified_part(name) {
        problems.push(format!("name part {}", rule()));
    }
    problems
}

/// Values of labels; empty is fine.
pub fn label_value(text: &str) -> Vec<String> {
    checked(text, LABEL_LEN_MAX, text.is_empty() || is_qualified_part(text), || {
        pattern(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
             must start and end with an alphanumeric character",
            &format!("({QUALIFIED_FMT})?"),
            &["MyValue", "my_value", "12345"],
        )
    })
}

/// Names that only have to fit into a URL: RBAC objects, APIServices.
pub fn path_segment(text: &str) -> Vec<String> {
    if matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"].iter().filter(|c| text.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
}

/// Names of environment variables: printable ASCII without `=`, as since Kubernetes 1.34.
pub fn env_name(text: &str) -> Vec<String> {
    let good = !text.is_empty() && text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=');
    checked(text, usize::MAX, good, || {
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
            .into()
    })
}

/// Keys of ConfigMaps and Secrets.
pub fn config_key(text: &str) -> Vec<String> {
    let good = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let mut problems = checked(text, SUBDOMAIN_LEN_MAX, good, || {
        pattern(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        )
    });
    problems.extend(match text {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        text if text.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    });
    problems
}

/// Names of ports (IANA service names), at most 15 characters.
pub fn port_name(text: &str) -> Vec<String> {
    let rules = [
        (text.len() > 15, "must be no more than 15 characters"),
        (
            !text.bytes().all(|b| lower_alphanumeric(b) || b == b'-') || text.is_empty(),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (!text.bytes().any(|b| b.is_ascii_lowercase()), "must contain at least one letter (a-z)"),
        (text.contains("--"), "must not contain consecutive hyphens"),
        (text.starts_with('-') || text.ends_with('-'), "must not begin or end with a hyphen"),
    ];
    rules.iter().filter(|(broken, _)| *broken).map(|(_, rule)| (*rule).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_object_name_is_explained_as_kubernetes_does() {
        assert_eq!(
            dns_subdomain("Bad_Name"),
            [
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            ]
        );
        assert_eq!(
            label_value("bad value!"),
            [
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            ]
        );
        assert_eq!(
            qualified_name("a b"),
            [
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            ]
        );
    }

    #[test]
    fn each_rule_takes_the_good_and_refuses_the_bad() {
        type Rule = fn(&str) -> Vec<String>;
        let long = "a".repeat(64);
        let table: &[(Rule, &[&str], &[&str])] = &[
            (dns_label, &["a", "a-b", "0"], &["", "-a", "a-", "a.b", "A", &long]),
            (dns_subdomain, &["a", "a.b-c", &long], &["", "a..b", ".a", "a_b"]),
            (dns1035_label, &["a1"], &["1a", ""]),
            (wildcard_dns_subdomain, &["*.a.b"], &["a.b", "*.", "*"]),
            (qualified_name, &["a", "A.b_c", "x.y/z"], &["", "/a", "a/", "a/b/c", "A.B/c", &long]),
            (label_value, &["", "a.B_c"], &["-", "a b", &long]),
            (path_segment, &["a:b", ""], &[".", "..", "a/b", "a%b"]),
            (env_name, &["A", "a-b.c", "1"], &["", "a=b", "ä"]),
            (config_key, &["a", ".a", "A_b"], &["", ".", "..", "..a", "a/b"]),
            (port_name, &["http", "a1"], &["", "1", "a--b", "-a", "abcdefghijklmnop"]),
        ];
        for (index, (rule, good, bad)) in table.iter().enumerate() {
            for text in *good {
                assert!(rule(text).is_empty(), "rule {index} refuses {text:?}: {:?}", rule(text));
            }
            for text in *bad {
                assert!(!rule(text).is_empty(), "rule {index} takes {text:?}");
            }
        }
    }
}
