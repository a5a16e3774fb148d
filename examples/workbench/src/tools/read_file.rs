//! `read_file`: the text of one file, or a part of it.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::File;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpost_tool::{AnyTool, Call, Json, ToolError, blocking_fn};

use super::{SNIFFED, local, open_file, wrong};
use crate::meter::Meter;
use crate::root::Root;

/// The most text that one answer holds, in bytes.
const CONTENT_MAX: usize = 256 << 10;

/// How far into a file lines are counted, in bytes.
const LINES_MAX: u64 = 64 << 20;

/// Reads a text file, whole or a range of its lines or bytes. At most 256 KiB come back at once; what is left is
/// read from `next_offset`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadFile {
    /// The file, relative to the root.
    #[schemars(length(min = 1, max = 4_096))]
    path: String,
    /// The first line to read, from 1. Not together with `offset` and `length`.
    #[schemars(range(min = 1))]
    start_line: Option<u64>,
    /// The last line to read. Not together with `offset` and `length`.
    #[schemars(range(min = 1))]
    end_line: Option<u64>,
    /// The first byte to read, from 0.
    offset: Option<u64>,
    /// How many bytes to read.
    #[schemars(range(min = 1))]
    length: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Text {
    /// Relative to the root.
    path: String,
    /// The text.
    content: String,
    /// Where the text starts in the file, in bytes.
    offset: u64,
    /// Where the file goes on, to be asked for as `offset`; null at its end.
    next_offset: Option<u64>,
    /// The size of the whole file in bytes.
    file_bytes: u64,
}

/// Readings at once, each of which holds its piece of a file; the fair queue in front of them is in no hurry to fill memory.
const AT_ONCE: u32 = 16;

pub(super) fn tool(root: Arc<Root>) -> AnyTool {
    // Not cached: an edit must show in the next reading.
    let tool = blocking_fn("read_file", move |args: ReadFile, call| run(&root, &args, &call).map(Json));
    AnyTool::new(
        tool.with_spec(|spec| local(spec, "Read a file", Duration::from_secs(5)).with_concurrency(AT_ONCE)),
    )
}

fn run(root: &Root, args: &ReadFile, call: &Call) -> Result<Text, ToolError> {
    let by_line = args.start_line.is_some() || args.end_line.is_some();
    if by_line && (args.offset.is_some() || args.length.is_some()) {
        let argument = if args.offset.is_some() { "offset" } else { "length" };
        return Err(wrong(
            argument,
            format_args!("does not go with lines; give either start_line and end_line, or offset and length"),
        ));
    }
    let (path, mut file) = open_file(root, &args.path)?;
    let file_bytes = file.metadata()?.len();
    refuse_binary(&mut file, &args.path)?;
    let (offset, bytes) = match by_line {
        true => lines(
            Meter::new(call, "read", "pieces").reading(&file),
            args.start_line.unwrap_or(1),
            args.end_line,
        )?,
        false => bytes(&mut file, args.offset.unwrap_or(0), args.length, file_bytes)?,
    };
    let (offset, content) = text(offset, bytes, file_bytes, &args.path)?;
    let end = offset + content.len() as u64;
    let next_offset = (end < file_bytes).then_some(end);
    Ok(Text { path: path.to_string(), content, offset, next_offset, file_bytes })
}

fn refuse_binary(file: &mut File, path: &str) -> Result<(), ToolError> {
    let mut head = Vec::new();
    file.take(SNIFFED as u64).read_to_end(&mut head)?;
    file.rewind()?;
    match memchr::memchr(0, &head) {
        None => Ok(()),
        Some(at) => Err(binary(path, at as u64, "a NUL")),
    }
}

fn binary(path: &str, at: u64, what: &str) -> ToolError {
    wrong(
        "path",
        format_args!(
            "`{path}` is binary ({what} at byte {at}), and this tool reads UTF-8 text; choose a text file"
        ),
    )
}

/// The lines `first..=last`, and where they start; cut off at what an answer may hold.
fn lines(file: impl Read, first: u64, last: Option<u64>) -> Result<(u64, Vec<u8>), ToolError> {
    if first == 0 {
        return Err(wrong("start_line", format_args!("lines are counted from 1, and 0 came")));
    }
    if let Some(last) = last.filter(|last| *last < first) {
        return Err(wrong(
            "end_line",
            format_args!("{last} lies before start_line {first}; give {first} or more"),
        ));
    }
    let mut reader = BufReader::with_capacity(64 << 10, file.take(LINES_MAX));
    let (mut line, mut offset) = (1, 0);
    while line < first {
        let skipped = reader.skip_until(b'\n')? as u64;
        if skipped == 0 {
            return Err(match offset {
                LINES_MAX.. => wrong(
                    "start_line",
                    format_args!("{first} lies beyond the first {LINES_MAX} bytes; reach it by offset"),
                ),
                _ => wrong(
                    "start_line",
                    format_args!("{first} lies beyond the end; the file has {} lines", line - 1),
                ),
            });
        }
        (line, offset) = (line + 1, offset + skipped);
    }
    let mut bytes = Vec::new();
    let mut reader = reader.take(CONTENT_MAX as u64);
    while last.is_none_or(|last| line <= last) && reader.read_until(b'\n', &mut bytes)? > 0 {
        line += 1;
    }
    if bytes.is_empty() && offset > 0 {
        return Err(wrong(
            "start_line",
            format_args!("{first} lies beyond the end; the file has {} lines", line - 1),
        ));
    }
    Ok((offset, bytes))
}

fn bytes(file: &mut File, offset: u64, length: Option<u64>, size: u64) -> Result<(u64, Vec<u8>), ToolError> {
    if offset > size {
        return Err(wrong("offset", format_args!("{offset} lies beyond the end; the file has {size} bytes")));
    }
    if length == Some(0) {
        return Err(wrong("length", format_args!("is 0; give 1 or more, or leave it out")));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length.unwrap_or(u64::MAX).min(CONTENT_MAX as u64)).read_to_end(&mut bytes)?;
    // A range shorter than its one character takes that character in, or reading on would stand still.
    while std::str::from_utf8(&bytes).is_err_and(|at| at.valid_up_to() == 0 && at.error_len().is_none()) {
        if file.take(1).read_to_end(&mut bytes)? == 0 {
            break;
        }
    }
    Ok((offset, bytes))
}

/// The text of a range; a character that the range cuts through is left out at either end.
fn text(offset: u64, mut bytes: Vec<u8>, size: u64, path: &str) -> Result<(u64, String), ToolError> {
    let lead = if offset == 0 { 0 } else { bytes.iter().take(3).take_while(|b| **b & 0xC0 == 0x80).count() };
    bytes.drain(..lead);
    let offset = offset + lead as u64;
    if let Some(at) = memchr::memchr(0, &bytes) {
        return Err(binary(path, offset + at as u64, "a NUL"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((offset, text)),
        Err(error) => {
            let at = error.utf8_error();
            let mut bytes = error.into_bytes();
            let is_cut = at.error_len().is_none() && offset + (bytes.len() as u64) < size;
            if !is_cut {
                return Err(binary(path, offset + at.valid_up_to() as u64, "no UTF-8"));
            }
            bytes.truncate(at.valid_up_to());
            Ok((offset, String::from_utf8(bytes)?))
        }
    }
}
