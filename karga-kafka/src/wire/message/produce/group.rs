//! Produce: record batches for several partitions of one leader, in one request.

use bytes::{BufMut as _, BytesMut};

use super::{Answer, partition};
use crate::config::Acks;
use crate::wire::cursor::{Cursor, Malformed};
use crate::wire::message::{Call, RequestError, put_text};
use crate::wire::versions::{Api, Unsupported, Versions};

/// The last version whose lengths have a fixed width (Kafka 2.4): a batch's length is known only
/// when it is written, and with more than one batch in a request nothing can be moved any more.
const FIXED_WIDTH: i16 = 8;

pub(crate) struct ProduceGroup<'a, W> {
    pub(crate) topic: &'a str,
    /// In ascending order, each once.
    pub(crate) partitions: &'a [i32],
    pub(crate) acks: Acks,
    pub(crate) timeout_ms: i32,
    /// Appends the batch of a partition.
    pub(crate) write: &'a mut W,
}

impl<W, E> Call for ProduceGroup<'_, W>
where
    W: FnMut(i32, &mut BytesMut) -> Result<(), E> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// One for each partition, in their order.
    type Answer = (Vec<Answer>, i32);
    const API: Api = Api::Produce;

    fn version(&self, versions: &Versions) -> Result<i16, Unsupported> {
        versions.newest_up_to(Api::Produce, FIXED_WIDTH)
    }

    fn encode(&mut self, _version: i16, out: &mut BytesMut) -> Result<(), RequestError> {
        out.put_i16(-1); // transactional_id: null
        out.put_i16(self.acks.to_wire());
        out.put_i32(self.timeout_ms);
        out.put_i32(1);
        put_text(out, self.topic)?;
        let count = self.partitions.len();
        let fits = |what| move |_| RequestError::Value(what);
        out.put_i32(i32::try_from(count).map_err(fits(format!("an array of {count} entries")))?);
        for &partition in self.partitions {
            out.put_i32(partition);
            out.put_i32(0);
            let start = out.len();
            (self.write)(partition, out).map_err(|error| RequestError::Records(error.into()))?;
            let len = out.len() - start;
            let prefix = i32::try_from(len)
                .map_err(fits(format!("a record batch of {len} bytes")))?
                .to_be_bytes();
            out[start - prefix.len()..start].copy_from_slice(&prefix);
        }
        Ok(())
    }

    fn decode(&self, version: i16, body: &mut Cursor) -> Result<Self::Answer, Malformed> {
        let mut answers: Vec<Option<Answer>> = self.partitions.iter().map(|_| None).collect();
        for _ in 0..body.count("responses", 3)? {
            body.text("name")?;
            for _ in 0..body.count("partition_responses", 22)? {
                let (index, one) = partition(version, body)?;
                let place = self.partitions.binary_search(&index).ok();
                match place.and_then(|place| answers.get_mut(place)) {
                    Some(answer @ None) => *answer = Some(one),
                    _ => return Err(self.unasked(format!("partition {index}"))),
                }
            }
        }
        let throttle_ms = body.i32("throttle_time_ms")?;
        let answers: Option<Vec<Answer>> = answers.into_iter().collect();
        match answers {
            Some(answers) => Ok((answers, throttle_ms)),
            None => Err(self.unasked("some of the partitions only".to_owned())),
        }
    }

    fn unanswered(&self) -> Option<Self::Answer> {
        let unknown = |_: &i32| Answer {
            error: None,
            message: None,
            base_offset: -1,
            log_append_time: -1,
            log_start_offset: -1,
            throttle_ms: 0,
        };
        (self.acks == Acks::None).then(|| (self.partitions.iter().map(unknown).collect(), 0))
    }
}

impl<W> ProduceGroup<'_, W> {
    fn unasked(&self, got: String) -> Malformed {
        Malformed::Unasked {
            got,
            asked: format!("partitions {:?}", self.partitions),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf as _, Bytes};

    use super::*;

    type Writer = fn(i32, &mut BytesMut) -> Result<(), std::convert::Infallible>;

    fn write(partition: i32, out: &mut BytesMut) -> Result<(), std::convert::Infallible> {
        out.put_bytes(partition as u8, partition as usize);
        Ok(())
    }

    fn group<'a>(partitions: &'a [i32], write: &'a mut Writer) -> ProduceGroup<'a, Writer> {
        ProduceGroup {
            topic: "orders",
            partitions,
            acks: Acks::All,
            timeout_ms: 7,
            write,
        }
    }

    /// An answer of version 8 about `partitions`.
    fn answer(partitions: &[i32]) -> Cursor {
        let mut out = BytesMut::new();
        out.put_i32(1);
        out.put_i16(6);
        out.put_slice(b"orders");
        out.put_i32(partitions.len() as i32);
        for &partition in partitions {
            out.put_i32(partition);
            out.put_i16(if partition == 2 { 10 } else { 0 });
            out.put_i64(i64::from(partition) * 100); // base offset
            out.put_i64(-1); // log append time
            out.put_i64(0); // log start offset
            out.put_i32(0); // record errors
            out.put_i16(-1); // error message
        }
        out.put_i32(5); // throttle time
        Cursor::new(out.freeze(), false)
    }

    #[test]
    fn every_batch_has_its_own_length() {
        let mut out = BytesMut::new();
        group(&[1, 3], &mut (write as Writer))
            .encode(8, &mut out)
            .unwrap();
        let mut rest: Bytes = out.freeze();
        rest.advance(2 + 2 + 4 + 4 + 2 + 6);
        assert_eq!(rest.get_i32(), 2);
        assert_eq!((rest.get_i32(), rest.get_i32()), (1, 1));
        assert_eq!(rest.split_to(1), &[1][..]);
        assert_eq!((rest.get_i32(), rest.get_i32()), (3, 3));
        assert_eq!(rest, &[3, 3, 3][..]);
    }

    #[test]
    fn answers_come_back_in_the_order_asked() {
        let mut writer = write as Writer;
        let call = group(&[0, 2, 5], &mut writer);
        let (answers, throttle) = call.decode(8, &mut answer(&[5, 0, 2])).unwrap();
        assert_eq!(throttle, 5);
        let offsets: Vec<_> = answers.iter().map(|one| one.base_offset).collect();
        assert_eq!(offsets, [0, 200, 500]);
        let errors: Vec<_> = answers
            .iter()
            .map(|one| one.error.map(|code| code.code()))
            .collect();
        assert_eq!(errors, [None, Some(10), None]);
    }

    #[test]
    fn a_missing_a_doubled_and_a_foreign_answer_are_refused() {
        let mut writer = write as Writer;
        let call = group(&[0, 2], &mut writer);
        for (partitions, part) in [
            (&[0][..], "some of the partitions"),
            (&[0, 0, 2], "partition 0"),
            (&[0, 1], "partition 1"),
        ] {
            let error = call.decode(8, &mut answer(partitions)).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
