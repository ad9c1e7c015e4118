//! Finds a word in Rust source where it is code: not in a comment, not in a string.

/// The lines on which `word` stands as code, the first line being 1.
pub(super) fn find(source: &str, word: &str) -> Vec<usize> {
    let code = blank(source);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut lines = Vec::new();
    for (at, _) in code.match_indices(word) {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        if !before.is_some_and(is_part) && !after.is_some_and(is_part) {
            lines.push(code[..at].matches('\n').count() + 1);
        }
    }
    lines
}

/// The source with comments and the insides of literals left out; lines stay where they are.
fn blank(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = skip(rest, code.chars().next_back());
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push(' ');
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// How many bytes the comment or literal at the start of `text` takes; 0 when it is code.
fn skip(text: &str, before: Option<char>) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if text.starts_with("'\\") {
        return quoted(text, '\'');
    }
    // A character, not a lifetime.
    let mut chars = text.char_indices().skip(1);
    if text.starts_with('\'')
        && let (Some(_), Some((end, '\''))) = (chars.next(), chars.next())
    {
        return end + 1;
    }
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r'));
    if let Some(raw) = raw
        && !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = text.len() - raw.len() + hashes + 1;
            return text[start..].find(&close).map_or(text.len(), |end| start + end + close.len());
        }
    }
    0
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn only_code_counts() {
        let source = r##"// unsafe
            /* unsafe /* unsafe */ unsafe */ let a = "unsafe \" unsafe";
            let b = r#"unsafe " unsafe"#; let c = '"'; let d = '\''; fn e<'unsafe_>() {}
            #![forbid(unsafe_code)]
            unsafe { f() }
            "##;
        assert_eq!(find(source, "unsafe"), [5]);
        assert_eq!(find("use serde_yaml::Value;\nserde_yaml2::x", "serde_yaml"), [1]);
    }
}
