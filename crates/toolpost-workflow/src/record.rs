//! Values that a journal can keep.

/// A value that a journal can keep.
///
/// Implemented for `()`, `bool`, `char`, the numbers (but `u8`, whose lists are kept as bytes), `String`,
/// `Vec<u8>`, and for `Option`, `Vec` and pairs of these. For other types see
/// [`Workflow::record_with`](crate::Workflow::record_with), which takes two functions.
pub trait Record: Sized + Send + Sync + 'static {
    /// Appends the value to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads a value back; `None` when the bytes are no such value.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

impl Record for () {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl Record for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl Record for char {
    fn encode(&self, out: &mut Vec<u8>) {
        u32::from(*self).encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_u32(u32::decode(bytes)?)
    }
}

macro_rules! number {
    ($($type:ty)+) => {
        $(impl Record for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        })+
    };
}

number!(u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64);

/// As 64 bits.
impl Record for usize {
    fn encode(&self, out: &mut Vec<u8>) {
        (*self as u64).encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        u64::decode(bytes)?.try_into().ok()
    }
}

impl Record for String {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl Record for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl<T: Record> Record for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode(out);
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (0, []) => Some(None),
            (1, rest) => Some(Some(T::decode(rest)?)),
            _ => None,
        }
    }
}

/// Each value behind its length.
impl<T: Record> Record for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| part(value, out));
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut values = Self::new();
        while !bytes.is_empty() {
            values.push(take(&mut bytes)?);
        }
        Some(values)
    }
}

/// The first behind its length, then the second.
impl<A: Record, B: Record> Record for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        part(&self.0, out);
        self.1.encode(out);
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        Some((take(&mut bytes)?, B::decode(bytes)?))
    }
}

/// A value behind its length, in eight bytes.
fn part<T: Record>(value: &T, out: &mut Vec<u8>) {
    let at = out.len();
    out.extend([0; 8]);
    value.encode(out);
    let length = (out.len() - at - 8) as u64;
    out[at..at + 8].copy_from_slice(&length.to_le_bytes());
}

fn take<T: Record>(bytes: &mut &[u8]) -> Option<T> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(u64::from_le_bytes(*length).try_into().ok()?)?;
    *bytes = rest;
    T::decode(value)
}

/// FNV-1a in 64 bits: it tells inputs apart, and does not resist forgery.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
