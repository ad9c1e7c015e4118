//! The words in cases that stand for something else.

use anyhow::{Result, bail};
use serde_json::{Map, Value};

/// The same, with every word in every text replaced.
pub(super) fn replaced(value: &Value, dir: &str) -> Result<Value> {
    Ok(match value {
        Value::String(text) => Value::String(words_replaced(text, dir)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| replaced(item, dir)).collect::<Result<_>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| Ok((key.clone(), replaced(value, dir)?)));
            Value::Object(fields.collect::<Result<Map<_, _>>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

/// `{D}` is the directory of the run; `{name:N}` a name of N bytes; `{deep:N}` N directories; `{fill:N}`
/// as many as make the text before it and them N bytes long. Other braces are a glob's own.
fn words_replaced(text: &str, dir: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((word, after)) = after.split_once('}') else { bail!("`{{` without `}}` in {text}") };
        rest = after;
        match word.split_once(':') {
            None if word == "D" => out.push_str(dir),
            Some(("name", count)) => out.push_str(&"n".repeat(count.parse()?)),
            Some(("deep", count)) => out.push_str(&vec!["d"; count.parse()?].join("/")),
            Some(("fill", count)) => fill(&mut out, count.parse()?),
            None | Some(_) => {
                out.push('{');
                out.push_str(word);
                out.push('}');
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Components of 200 bytes, the last one as long as it must be.
fn fill(out: &mut String, len: usize) {
    while out.len() < len {
        if out.len() + 250 < len {
            out.push_str(&"f".repeat(199));
            out.push('/');
        } else {
            out.push_str(&"f".repeat(len - out.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        words_replaced(text, "/tmp/x").unwrap()
    }

    #[test]
    fn words_stand_for_something() {
        assert_eq!(words("{D}/{deep:3}/a{b,c*}"), "/tmp/x/d/d/d/a{b,c*}");
        assert_eq!(words("{name:255}").len(), 255);
        for len in [300, 3999, 4000, 4095] {
            let path = words(&format!("{{D}}/{{fill:{len}}}"));
            assert_eq!(path.len(), len);
            assert!(path.split('/').all(|component| component.len() <= 255) && !path.ends_with('/'));
        }
        assert!(words_replaced("{D", "/tmp/x").is_err());
    }
}
