//! Rules for the names of objects and of things inside them.
//!
//! Each function answers what is wrong with a text, in sentences; an empty answer is a good text.

/// A DNS label has at most 63 characters.
pub const DNS_LABEL_LEN_MAX: usize = 63;
/// A DNS subdomain has at most 253 characters.
pub const DNS_SUBDOMAIN_LEN_MAX: usize = 253;

fn too_long(len_max: usize) -> String {
    format!("must be no more than {len_max} bytes")
}

fn is_lower_alphanumeric(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// Lower-case letters, digits and dashes, with a letter or digit at both ends.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            is_lower_alphanumeric(first)
                && is_lower_alphanumeric(last)
                && bytes.iter().all(|&b| is_lower_alphanumeric(b) || b == b'-')
        }
        _ => false,
    }
}

/// One DNS label (RFC 1123): namespaces, services, containers.
pub fn dns_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > DNS_LABEL_LEN_MAX {
        wrong.push(too_long(DNS_LABEL_LEN_MAX));
    }
    if !is_dns_label(text) {
        wrong.push(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
             start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
             validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .into(),
        );
    }
    wrong
}

/// Dot-separated DNS labels (RFC 1123): the names of most kinds.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > DNS_SUBDOMAIN_LEN_MAX {
        wrong.push(too_long(DNS_SUBDOMAIN_LEN_MAX));
    }
    if !text.split('.').all(is_dns_label) {
        wrong.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
             and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
             validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .into(),
        );
    }
    wrong
}

/// Anything that can stand between two slashes of a URL: RBAC kinds.
pub fn path_segment(text: &str) -> Vec<String> {
    if matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    ['/', '%'].iter().filter(|&&c| text.contains(c)).map(|c| format!("may not contain '{c}'")).collect()
}
