//! How close a rule's glob comes to a path that it does not match, and in what they differ.

use std::cmp::Reverse;

use crate::compile::escape;
use crate::compile::glob::{self, Flat, Kind, Token};

/// Letters that a typing error gets wrong at most.
const TYPO: usize = 2;

/// How a glob misses a path. Less is closer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Miss {
    /// Whether it is more than one level or a typing error that they are apart.
    far: bool,
    /// Components of the path that it matches from the root on.
    common: Reverse<usize>,
    /// Levels, or letters in the first component that differs.
    apart: usize,
    /// In what they differ.
    pub(super) why: String,
}

/// How `glob` misses `path`; `None` when they have nothing in common.
pub(super) fn miss(glob: &str, path: &[u8]) -> Option<Miss> {
    let flats = glob::parse(glob, Kind::Path).ok()?;
    flats.iter().filter_map(|flat| miss_flat(flat, path)).min()
}

fn miss_flat(flat: &Flat, path: &[u8]) -> Option<Miss> {
    let parts: Vec<&[Token]> = flat.get(1..)?.split(|token| *token == Token::Byte(b'/')).collect();
    let names: Vec<&[u8]> = path.get(1..)?.split(|byte| *byte == b'/').collect();
    // Where the glob can be after each component of the path that it matches.
    let mut reach = vec![vec![0]];
    for name in &names {
        let next = step(&parts, reach.last()?, name);
        if next.is_empty() {
            break;
        }
        reach.push(next);
    }
    if let Some(typo) = typo(&parts, &names, &reach) {
        return Some(typo);
    }
    let places = open(&parts, reach.last()?);
    let common = reach.len().saturating_sub(1);
    let dir = |count: usize| {
        let dir: Vec<u8> = names.iter().take(count).flat_map(|name| [b"/", *name].concat()).collect();
        escape(&dir)
    };
    let left = names.len().saturating_sub(common);
    let common_first = Reverse(common);
    let Some(name) = names.get(common) else {
        let levels = places.iter().map(|place| parts.len().saturating_sub(*place)).min()?;
        let why = format!("matches only below {}", dir(common));
        return Some(Miss { far: levels > 1, common: common_first, apart: levels, why });
    };
    let closest = places
        .iter()
        .filter_map(|place| Some((*place, *parts.get(*place)?)))
        .filter(|(_, part)| *part != [Token::Tree])
        .map(|(place, part)| (literal(part).map_or(usize::MAX, |word| distance(name, &word)), place, part))
        .min_by_key(|(letters, place, _)| (*letters, *place));
    let (far, apart, why) = match closest {
        None | Some(_) if common == 0 => return None,
        None => (left > 1, left, format!("matches {}, not what is below it", dir(common))),
        Some((letters, _, part)) => (true, letters, differs(name, part)),
    };
    Some(Miss { far, common: common_first, apart, why })
}

/// The component with the fewest wrong letters, when all others match.
fn typo(parts: &[&[Token]], names: &[&[u8]], reach: &[Vec<usize>]) -> Option<Miss> {
    let mut best: Option<Miss> = None;
    for (common, (name, places)) in names.iter().zip(reach).enumerate() {
        for place in open(parts, places) {
            let Some(part) = parts.get(place) else { continue };
            let Some(apart) = literal(part).map(|word| distance(name, &word)) else { continue };
            let rest = parts.get(place.saturating_add(1)..).unwrap_or(&[]);
            let left = names.get(common.saturating_add(1)..).unwrap_or(&[]);
            if apart <= TYPO && apart < name.len() && matches(rest, left) {
                let miss = Miss { far: false, common: Reverse(common), apart, why: differs(name, part) };
                best = Some(best.map_or(miss.clone(), |best| best.min(miss)));
            }
        }
    }
    best
}

fn differs(name: &[u8], part: &[Token]) -> String {
    format!("differs in `{}`, where it has `{}`", escape(name), glob::show(part))
}

/// The places in the glob after a name. A `**` may go on or be over.
fn step(parts: &[&[Token]], places: &[usize], name: &[u8]) -> Vec<usize> {
    let mut next = Vec::new();
    for place in open(parts, places) {
        match parts.get(place) {
            Some([Token::Tree]) => next.extend([place, place.saturating_add(1)]),
            Some(part) if fits(part, name) => next.push(place.saturating_add(1)),
            Some(_) | None => {}
        }
    }
    next.sort_unstable();
    next.dedup();
    next
}

/// The same places, and those behind each `**` that may match nothing.
fn open(parts: &[&[Token]], places: &[usize]) -> Vec<usize> {
    let mut all = places.to_vec();
    let mut at = 0;
    while let Some(place) = all.get(at).copied() {
        let after = place.saturating_add(1);
        if parts.get(place).is_some_and(|part| *part == [Token::Tree])
            && after < parts.len()
            && !all.contains(&after)
        {
            all.push(after);
        }
        at += 1;
    }
    all
}

fn matches(parts: &[&[Token]], names: &[&[u8]]) -> bool {
    let mut places = vec![0];
    for name in names {
        places = step(parts, &places, name);
    }
    places.contains(&parts.len())
}

/// Whether one component matches one name.
fn fits(part: &[Token], name: &[u8]) -> bool {
    let Some((token, rest)) = part.split_first() else { return name.is_empty() };
    let one = |good: fn(&Token, u8) -> bool| {
        name.split_first().is_some_and(|(byte, more)| good(token, *byte) && fits(rest, more))
    };
    match token {
        Token::Byte(_) => one(|token, byte| *token == Token::Byte(byte)),
        Token::Set(_) => one(|token, byte| matches!(token, Token::Set(set) if set.contains(byte))),
        Token::Star | Token::Tree => (0..=name.len()).any(|skip| fits(rest, name.get(skip..).unwrap_or(b""))),
    }
}

fn literal(part: &[Token]) -> Option<Vec<u8>> {
    part.iter().map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None }).collect()
}

/// Letters to insert, drop, replace, or swap with their neighbour.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (line, letter) in from.iter().enumerate() {
        let mut row = vec![line.saturating_add(1)];
        for (column, other) in to.iter().enumerate() {
            let cost = |up: usize, left: usize| {
                let line = rows.len().checked_sub(up)?;
                rows.get(line)?.get(column.saturating_add(1).checked_sub(left)?).copied()
            };
            let kept = cost(1, 1).map(|cost| cost.saturating_add(usize::from(letter != other)));
            let dropped = cost(1, 0).map(|cost| cost.saturating_add(1));
            let inserted = row.last().map(|cost| cost.saturating_add(1));
            let neighbours = line > 0
                && column > 0
                && from.get(line.saturating_sub(1)) == Some(other)
                && to.get(column.saturating_sub(1)) == Some(letter);
            let swapped = if neighbours { cost(2, 2).map(|cost| cost.saturating_add(1)) } else { None };
            let best = [kept, dropped, inserted, swapped].into_iter().flatten().min();
            row.push(best.unwrap_or(usize::MAX));
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_apart() {
        for (from, to, letters) in
            [("nginx", "ngnix", 1), ("a", "a", 0), ("", "abc", 3), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(from.as_bytes(), to.as_bytes()), letters, "{from} {to}");
        }
    }

    #[test]
    fn why_a_glob_misses() {
        for (glob, path, why) in [
            ("/etc/nginx/**", "/etc/nginx", "matches only below /etc/nginx"),
            ("/etc/nginx", "/etc/nginx/conf.d/x", "matches /etc/nginx, not what is below it"),
            ("/etc/nginx/*", "/etc/nginx/conf.d/x", "matches /etc/nginx/conf.d, not what is below it"),
            ("/etc/nginx/**", "/etc/ngnix/x", "differs in `ngnix`, where it has `nginx`"),
            ("/var/**/log/*.log", "/var/a/b/lgo/x.log", "differs in `lgo`, where it has `log`"),
            ("/usr/{bin,sbin}/app", "/usr/sbin/ap", "differs in `ap`, where it has `app`"),
            ("/var/**/log/*.log", "/var/a/b", "matches only below /var/a/b"),
            ("/a/[xy]z", "/a/b", "differs in `b`, where it has `[…]z`"),
        ] {
            assert_eq!(miss(glob, path.as_bytes()).unwrap().why, why, "{glob} {path}");
        }
        assert_eq!(miss("/srv/**", b"/etc/x"), None);
    }

    #[test]
    fn typing_errors_and_neighbours_come_first() {
        let path = b"/etc/ngnix/site.conf";
        for order in [
            ["/etc/nginx/**", "/etc/ssl/certs/x"],
            ["/etc/ngnix", "/etc/*.conf"],
            ["/etc/ngnix/*/x", "/etc/*.conf"],
        ] {
            let misses: Vec<Miss> = order.iter().filter_map(|glob| miss(glob, path)).collect();
            assert!(misses.len() == 2 && misses.is_sorted(), "{misses:#?}");
        }
    }
}
