//! Bytes that may lie in several pieces, as Zenoh hands over large payloads, read in place.

use zenoh::bytes::ZBytes;

/// A payload, borrowed: one slice or Zenoh's slices.
#[derive(Debug, Clone, Copy)]
pub enum Pieces<'a> {
    /// All in one.
    One(&'a [u8]),
    /// As it came from the network.
    Zenoh(&'a ZBytes),
}

impl<'a> Pieces<'a> {
    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::Zenoh(bytes) => bytes.len(),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first bytes, at most as many as `buffer` holds: borrowed when they lie in one piece, else gathered.
    pub fn head<'b>(&self, buffer: &'b mut [u8]) -> &'b [u8]
    where
        'a: 'b,
    {
        let wanted = self.len().min(buffer.len());
        if let Some(head) = self.iter().next().and_then(|first| first.get(..wanted)) {
            return head;
        }
        let mut filled = 0;
        for piece in self.iter() {
            let room = buffer.get_mut(filled..wanted).unwrap_or_default();
            let n = piece.len().min(room.len());
            room[..n].copy_from_slice(&piece[..n]);
            filled += n;
        }
        &buffer[..filled]
    }

    fn iter(&self) -> PieceIter<'a> {
        match self {
            Self::One(bytes) => PieceIter::One(Some(bytes)),
            Self::Zenoh(bytes) => PieceIter::Zenoh(bytes.slices()),
        }
    }
}

enum PieceIter<'a> {
    One(Option<&'a [u8]>),
    Zenoh(zenoh::bytes::ZBytesSliceIterator<'a>),
}

impl<'a> Iterator for PieceIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::One(bytes) => bytes.take(),
            Self::Zenoh(slices) => slices.next(),
        }
    }
}

/// Reads ranges of a payload, fastest in rising order.
pub struct Cursor<'a> {
    pieces: Pieces<'a>,
    rest: PieceIter<'a>,
    current: &'a [u8],
    /// Offset of `current` in the payload.
    start: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `pieces`.
    pub fn new(pieces: Pieces<'a>) -> Self {
        Self {
            pieces,
            rest: pieces.iter(),
            current: &[],
            start: 0,
        }
    }

    /// The `len` bytes from `at`: borrowed when they lie in one piece, else gathered in `buffer`. Bytes beyond the end
    /// are missing: the caller has compared `at + len` with the payload's length.
    pub fn range<'b>(&mut self, at: usize, len: usize, buffer: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if at < self.start {
            *self = Self::new(self.pieces);
        }
        while self.start + self.current.len() <= at {
            let Some(next) = self.rest.next() else {
                return &[];
            };
            self.start += self.current.len();
            self.current = next;
        }
        let from = at - self.start;
        if let Some(bytes) = self.current.get(from..from + len) {
            return bytes;
        }
        buffer.clear();
        buffer.extend_from_slice(&self.current[from..]);
        while buffer.len() < len {
            let Some(next) = self.rest.next() else { break };
            self.start += self.current.len();
            self.current = next;
            buffer.extend_from_slice(&next[..next.len().min(len - buffer.len())]);
        }
        buffer
    }
}

#[cfg(test)]
mod tests {
    use zenoh::bytes::ZBytesWriter;

    use super::*;

    fn in_pieces(bytes: &[u8], piece: usize) -> ZBytes {
        let mut writer: ZBytesWriter = ZBytes::writer();
        for chunk in bytes.chunks(piece) {
            writer.append(ZBytes::from(chunk.to_vec()));
        }
        writer.finish()
    }

    #[test]
    fn ranges_are_the_same_however_the_payload_is_cut() {
        let bytes: Vec<u8> = (0..=255).collect();
        for piece in [1, 7, 64, 300] {
            let payload = in_pieces(&bytes, piece);
            let mut cursor = Cursor::new(Pieces::Zenoh(&payload));
            let mut buffer = Vec::new();
            for (at, len) in [
                (0, 10),
                (5, 20),
                (60, 70),
                (3, 4),
                (200, 56),
                (255, 1),
                (0, 256),
            ] {
                assert_eq!(
                    cursor.range(at, len, &mut buffer),
                    &bytes[at..at + len],
                    "{at} {len} in pieces of {piece}"
                );
            }
            assert_eq!(Pieces::Zenoh(&payload).head(&mut [0; 100]), &bytes[..100]);
        }
    }

    #[test]
    fn a_range_beyond_the_end_is_cut_short() {
        let payload = in_pieces(&[1, 2, 3], 2);
        let mut buffer = Vec::new();
        assert_eq!(
            Cursor::new(Pieces::Zenoh(&payload)).range(1, 10, &mut buffer),
            [2, 3]
        );
        assert_eq!(
            Cursor::new(Pieces::One(&[])).range(0, 1, &mut buffer),
            [0; 0]
        );
    }
}
