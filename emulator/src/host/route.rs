//! Which HTTP function a request goes to, and what path the handler gets to see.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What ASP.NET leaves unescaped in a path; a percent sign that survived decoding is escaped again.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A request path as Kestrel understands it: unescaped but for `%2F`, dot segments resolved.
pub(super) fn normal_path(raw: &str) -> String {
    let kept = raw.replace("%2F", "%252F").replace("%2f", "%252f");
    let path = percent_decode_str(&kept).decode_utf8_lossy().into_owned();
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." => {}
            ".." => {
                segments.pop();
            }
            part => {
                segments.push(part);
                continue;
            }
        }
        // "/a/." and "/a/b/.." end in a slash.
        if last {
            segments.push("");
        }
    }
    format!("/{}", segments.join("/"))
}

/// The path that the handler gets for a normal path: escaped anew, so `%2F` arrives as `%252F`.
pub(super) fn handler_path(normal: &str) -> String {
    utf8_percent_encode(normal, PATH).to_string()
}

/// Whether a route template (`api/jobs/{id}`, `{*path}`) takes a normal path. Literals match in any case, and no route begins
/// with `admin` or `runtime`, which stay the host's.
pub(super) fn matches(prefix: &str, route: &str, normal: &str) -> bool {
    let template = format!("{prefix}/{route}");
    let mut wanted = template.split('/').filter(|part| !part.is_empty());
    let path = normal.strip_prefix('/').unwrap_or(normal);
    let mut segments = path
        .strip_suffix('/')
        .unwrap_or(path)
        .split('/')
        .filter(|_| !path.is_empty());
    let reserved = |first: &str| first.eq_ignore_ascii_case("admin") || first.eq_ignore_ascii_case("runtime");
    if path.starts_with('/') || segments.clone().next().is_some_and(reserved) {
        return false;
    }
    loop {
        match (wanted.next(), segments.next()) {
            (Some(part), _) if part.starts_with("{*") => return true,
            (Some(part), Some(segment)) if part.starts_with('{') => {
                if segment.is_empty() {
                    return false;
                }
            }
            (Some(part), Some(segment)) if part.eq_ignore_ascii_case(segment) => {}
            (Some(part), None) if part.starts_with('{') && part.ends_with("?}") => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// A target fit for logs: the key in `?code=` blacked out.
pub(super) fn without_key(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let query: Vec<&str> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if name.eq_ignore_ascii_case("code") => "code=…",
            _ => pair,
        })
        .collect();
    format!("{path}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_before_routing() {
        let check = |raw: &str, normal: &str, handler: &str| {
            assert_eq!(normal_path(raw), normal, "{raw}");
            assert_eq!(handler_path(normal), handler, "{raw}");
        };
        check("/", "/", "/");
        check("/%61pi/x", "/api/x", "/api/x");
        check("/./api/x", "/api/x", "/api/x");
        check("/x/../api/x", "/api/x", "/api/x");
        check("/../../api/", "/api/", "/api/");
        check("/api/jobs/a%20b", "/api/jobs/a b", "/api/jobs/a%20b");
        check("/api%5Chealth", "/api\\health", "/api%5Chealth");
        check("/api%2Fhealth", "/api%2Fhealth", "/api%252Fhealth");
        check("/%C3%A4", "/ä", "/%C3%A4");
        check("/a/b/..", "/a/", "/a/");
    }

    #[test]
    fn routes() {
        let check = |prefix: &str, route: &str, path: &str, expected: bool| {
            assert_eq!(
                matches(prefix, route, path),
                expected,
                "{prefix:?} {route} {path}"
            );
        };
        check("", "{*path}", "/", true);
        check("", "{*path}", "/api/x/y", true);
        check("", "{*path}", "/admin/host/status", false);
        check("", "{*path}", "/Admin", false);
        check("", "{*path}", "/administrators", true);
        check("", "{*path}", "//api/x", false);
        check("api", "{*path}", "/API/x", true);
        check("api", "{*path}", "/jobs", false);
        check("api", "jobs/{id}", "/api/jobs/7", true);
        check("api", "jobs/{id}", "/api/jobs", false);
        check("api", "jobs/{id}", "/api/jobs/7/8", false);
        check("api", "jobs/{id?}", "/api/jobs", true);
        check("api", "{*path}", "/api%2Fhealth", false);
    }

    #[test]
    fn a_key_never_reaches_a_log() {
        assert_eq!(without_key("/a?x=1&CODE=secret&y"), "/a?x=1&code=…&y");
        assert_eq!(without_key("/a"), "/a");
    }
}
