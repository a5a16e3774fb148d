//! Files with secrets: who may come in, and what state is protected with.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use toolpost::server::StaticTokens;
use toolpost::tool::Principal;

use crate::serve::Failure;

/// What a token has at least, or else it can be guessed.
const SHORTEST: usize = 16;

/// The tokens of `file`: a line for each, with the name of whoever has it, a space and the token. Empty lines and lines that
/// begin with `#` are passed over.
///
/// # Errors
///
/// If the file cannot be read or holds no token, and at the first line that is not of this form, or repeats a token.
pub fn tokens(file: &Path) -> Result<StaticTokens, Failure> {
    let text = read(file)?;
    let mut known = HashSet::new();
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // No error shows a token: it may end up in a log.
        let fault = |why: &str| format!("{}, line {number}: {why}", file.display());
        let mut words = line.split_whitespace();
        let (Some(name), Some(token), None) = (words.next(), words.next(), words.next()) else {
            return Err(fault("give a name, a space and a token").into());
        };
        if token.len() < SHORTEST {
            return Err(fault("the token has less than 16 characters").into());
        }
        if !known.insert(token) {
            return Err(fault("another line has the same token").into());
        }
        tokens.push((token, Principal::new(name.to_owned())));
    }
    if tokens.is_empty() {
        return Err(format!("{}: there is no token in it, so nobody could come in", file.display()).into());
    }
    Ok(StaticTokens::new(tokens))
}

/// The 32 bytes in hexadecimal that `file` holds.
///
/// # Errors
///
/// If the file cannot be read, or holds anything else.
pub fn state_key(file: &Path) -> Result<[u8; 32], Failure> {
    let text = read(file)?;
    let text = text.trim();
    let fault = || format!("{}: give 32 bytes in hexadecimal, which are 64 digits", file.display());
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(fault().into());
    }
    let mut key = [0; 32];
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| fault())?;
    }
    Ok(key)
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()).into())
}
