//! The buffer that every format reads from, and the limits on what flows through it.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

use memchr::memrchr;

use super::{ListFileError, Options};

/// What is read at once, at least. A fuzzer's inputs are small: to meet the edges of the buffer, it must be smaller.
#[allow(unexpected_cfgs, reason = "`cargo fuzz` sets this cfg, and nothing else knows it")]
const BUFFER_BYTES: usize = if cfg!(fuzzing) { 256 } else { 256 << 10 };
/// No option allows longer lines: the buffer must hold them.
const MAX_LINE_BYTES: usize = 16 << 20;
/// An archive may always unpack to this much: small ones of repeated lines pack very well.
const RATIO_FREE_BYTES: u64 = 10 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a list file comes from.
pub(super) trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// The caller's input, telling how far into it reading has come.
pub(super) struct Tracked<'a> {
    inner: &'a mut dyn ReadSeek,
    position: &'a Cell<u64>,
}

/// The limits on one reading, all files of an archive together, and its progress.
pub(super) struct Budget<'a> {
    max_bytes: u64,
    /// The archive's own size and how many times that it may unpack to.
    ratio: Option<(u64, u64)>,
    used: u64,
    position: &'a Cell<u64>,
    reported: u64,
    progress: &'a mut dyn FnMut(u64),
}

/// One file, read through a buffer of fixed size.
pub(super) struct Input<'a, 'b> {
    name: &'a str,
    source: &'a mut dyn Read,
    budget: &'a mut Budget<'b>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Where `buffer[start]` lies in the file.
    offset: u64,
    at_end: bool,
    limit: LineLimit<'a>,
}

/// The longest line that is read, and what an error about it says.
#[derive(Clone, Copy)]
pub(super) struct LineLimit<'a> {
    file: &'a str,
    max: usize,
}

/// Whole lines, as many as the buffer holds. Each ends in `\n`, except for the last one of the file perhaps.
pub(super) struct Lines<'a> {
    pub bytes: &'a [u8],
    /// Where they begin in the file.
    pub offset: u64,
    pub limit: LineLimit<'a>,
}

/// The size of the buffer: room for the longest line that is allowed, and for reading on behind it.
pub(super) fn buffer_bytes(options: &Options) -> usize {
    BUFFER_BYTES.max(options.max_line_bytes.min(MAX_LINE_BYTES) * 2)
}

// === impl Tracked ===

impl<'a> Tracked<'a> {
    pub fn new(inner: &'a mut dyn ReadSeek, position: &'a Cell<u64>) -> Self {
        Self { inner, position }
    }
}

impl Read for Tracked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position.set(self.position.get().saturating_add(count as u64));
        Ok(count)
    }
}

impl Seek for Tracked<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.inner.seek(to)?;
        self.position.set(position);
        Ok(position)
    }
}

// === impl Budget ===

impl<'a> Budget<'a> {
    pub fn for_plain(options: &Options, position: &'a Cell<u64>, progress: &'a mut dyn FnMut(u64)) -> Self {
        Self { max_bytes: options.max_bytes, ratio: None, used: 0, position, reported: 0, progress }
    }

    pub fn for_archive(
        options: &Options,
        length: u64,
        position: &'a Cell<u64>,
        progress: &'a mut dyn FnMut(u64),
    ) -> Self {
        Self { ratio: Some((length, options.max_ratio)), ..Self::for_plain(options, position, progress) }
    }

    fn spend(&mut self, bytes: usize, file: &str) -> Result<(), ListFileError> {
        self.used = self.used.saturating_add(bytes as u64);
        if self.used > self.max_bytes {
            return Err(ListFileError::TooLarge { file: file.into(), max: self.max_bytes });
        }
        if let Some((length, max)) = self.ratio
            && self.used > RATIO_FREE_BYTES.max(length.saturating_mul(max))
        {
            return Err(ListFileError::Bomb { file: file.into(), max });
        }
        // Files of an archive need not lie in the order of its directory, but progress only goes forward.
        self.reported = self.reported.max(self.position.get());
        (self.progress)(self.reported);
        Ok(())
    }
}

// === impl Input ===

impl<'a, 'b> Input<'a, 'b> {
    pub fn new(name: &'a str, source: &'a mut dyn Read, options: &Options, budget: &'a mut Budget<'b>) -> Self {
        let max = options.max_line_bytes.min(MAX_LINE_BYTES);
        Self {
            name,
            source,
            budget,
            buffer: vec![0; buffer_bytes(options)].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            at_end: false,
            limit: LineLimit { file: name, max },
        }
    }

    pub fn name(&self) -> &'a str {
        self.name
    }

    /// What is read and not consumed yet.
    pub fn window(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where the window begins in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether nothing follows the window.
    pub fn is_at_end(&self) -> bool {
        self.at_end
    }

    pub fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.end - self.start);
        self.start += bytes;
        self.offset = self.offset.saturating_add(bytes as u64);
    }

    pub fn skip_byte_order_mark(&mut self) {
        if self.window().starts_with(BYTE_ORDER_MARK) {
            self.consume(BYTE_ORDER_MARK.len());
        }
    }

    /// Reads until the buffer is full or the file ends; false if nothing came.
    pub fn fill(&mut self) -> Result<bool, ListFileError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let before = self.end;
        while !self.at_end && self.end < self.buffer.len() {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(count) => {
                    self.end += count;
                    self.budget.spend(count, self.name)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ListFileError::read(self.name, error)),
            }
        }
        Ok(self.end > before)
    }

    /// The next whole lines; `line` is the number of the first of them, for the error.
    pub fn lines(&mut self, line: u64) -> Result<Option<Lines<'_>>, ListFileError> {
        let length = loop {
            let window = self.window();
            if let Some(at) = memrchr(b'\n', window) {
                break at + 1;
            }
            self.limit.check(window, line)?;
            if !self.fill()? && self.at_end {
                break self.end - self.start;
            }
        };
        let (start, offset) = (self.start, self.offset);
        self.consume(length);
        let bytes = &self.buffer[start..start + length];
        Ok((!bytes.is_empty()).then_some(Lines { bytes, offset, limit: self.limit }))
    }

    /// The limit on lines and tags.
    pub fn limit(&self) -> LineLimit<'a> {
        self.limit
    }
}

// === impl LineLimit ===

impl LineLimit<'_> {
    /// Refuses a line (its line end may be part of it) or a tag that is longer than allowed.
    #[inline]
    pub fn check(self, bytes: &[u8], line: u64) -> Result<(), ListFileError> {
        // Two more for the line end.
        if bytes.len() <= self.max + 2 {
            return Ok(());
        }
        Err(ListFileError::LineTooLong { file: self.file.into(), line, max: self.max })
    }
}
