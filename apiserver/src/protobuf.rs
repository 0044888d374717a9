//! Decodes protobuf bodies into JSON.
//!
//! `kubectl create deployment`, `create token`, `auth can-i` and others always send protobuf. Responses are always JSON,
//! which every client accepts.
//!
//! The tables in [`kinds`] hold the fields that kubectl sets. A message with any other field is rejected, so that no part
//! of an object is lost.

mod kinds;

use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

/// The first bytes of every body; an envelope with the kind and the encoded object follows.
const MAGIC: &[u8] = b"k8s\0";

/// One field of a message: its number, its name in JSON, its type.
type Field = (u64, &'static str, Type);

/// How a field's bytes become JSON.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Bytes,
    Int,
    Bool,
    /// A number or a boolean that the client sends only if it is set: zero and false are kept.
    Optional(&'static Type),
    IntOrString,
    Message(&'static [Field]),
    List(&'static Type),
    Map(&'static Type),
    /// Ignored: the client does not set status and timestamps.
    Skip,
}

use Type::{Bool, Bytes, Int, List, Message, Optional, Skip, Text};

/// Decodes the object in a protobuf body.
///
/// # Errors
/// The reason, if the body is invalid or not supported.
pub fn read(body: &[u8]) -> Result<Value, String> {
    const ENVELOPE: &[Field] = &[
        (1, "type", Message(&[(1, "apiVersion", Text), (2, "kind", Text)])),
        (2, "raw", Skip),
        (3, "contentEncoding", Text),
        (4, "contentType", Text),
    ];
    let envelope = body.strip_prefix(MAGIC).ok_or("the body has no prefix of Kubernetes protobuf")?;
    let header = read_message(ENVELOPE, envelope)?;
    let kind = header["type"]["kind"].as_str().unwrap_or_default();
    let fields = kinds::message_fields(kind).ok_or_else(|| format!("kind {kind:?} is not supported in protobuf"))?;
    let mut raw: &[u8] = &[];
    let mut reader = Reader(envelope);
    while let Some((number, item)) = reader.field()? {
        if let (2, Item::Bytes(bytes)) = (number, item) {
            raw = bytes;
        }
    }
    let mut value = read_message(fields, raw)?;
    value["apiVersion"] = header["type"]["apiVersion"].clone();
    value["kind"] = kind.into();
    Ok(value)
}

/// Decodes one message. The nesting of the table limits the recursion.
fn read_message(fields: &[Field], bytes: &[u8]) -> Result<Value, String> {
    let mut map = Map::new();
    let mut reader = Reader(bytes);
    while let Some((number, item)) = reader.field()? {
        let Some((_, name, kind)) = fields.iter().find(|field| field.0 == number) else {
            if item.is_zero() {
                continue;
            }
            return Err(format!("field {number} is not supported in protobuf"));
        };
        match (kind, item) {
            (Skip, _) => {}
            (List(of), item) => {
                let list = map.entry(*name).or_insert_with(|| json!([]));
                if let Value::Array(list) = list {
                    list.push(read_value(of, item)?);
                }
            }
            (Type::Map(of), Item::Bytes(entry)) => {
                let (key, item) = read_entry(entry)?;
                map.entry(*name).or_insert_with(|| json!({}))[key] = read_value(of, item)?;
            }
            // Go's protobuf contains zero values; JSON omits them.
            (Text | Int | Bool, item) if item.is_zero() => {}
            (kind, item) => {
                map.insert((*name).into(), read_value(kind, item)?);
            }
        }
    }
    Ok(Value::Object(map))
}

fn read_value(kind: &Type, item: Item) -> Result<Value, String> {
    Ok(match (kind, item) {
        (Optional(kind), item) => read_value(kind, item)?,
        (Text, Item::Bytes(bytes)) => read_text(bytes)?.into(),
        (Bytes, Item::Bytes(bytes)) => {
            serde_json::to_value(ByteString(bytes.to_vec())).map_err(|error| error.to_string())?
        }
        // Negative numbers are encoded in two's complement.
        (Int, Item::Number(number)) => number.cast_signed().into(),
        (Bool, Item::Number(number)) => (number != 0).into(),
        (Message(fields), Item::Bytes(bytes)) => read_message(fields, bytes)?,
        (Type::IntOrString, Item::Bytes(bytes)) => {
            let parts = read_message(&[(1, "type", Int), (2, "int", Int), (3, "text", Text)], bytes)?;
            if parts["type"] == 1 { parts["text"].clone() } else { parts["int"].as_i64().unwrap_or_default().into() }
        }
        _ => return Err("a field has the wrong type".into()),
    })
}

/// Decodes one entry of a map.
fn read_entry(bytes: &[u8]) -> Result<(&str, Item<'_>), String> {
    let (mut key, mut value) = ("", Item::Bytes(&[]));
    let mut reader = Reader(bytes);
    while let Some((number, item)) = reader.field()? {
        match (number, item) {
            (1, Item::Bytes(bytes)) => key = read_text(bytes)?,
            (2, item) => value = item,
            _ => {}
        }
    }
    Ok((key, value))
}

fn read_text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| error.to_string())
}

/// The encoded value of one field.
#[derive(Clone, Copy)]
enum Item<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl Item<'_> {
    fn is_zero(&self) -> bool {
        matches!(self, Item::Number(0) | Item::Bytes([]))
    }
}

/// The rest of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn field(&mut self) -> Result<Option<(u64, Item<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let item = match tag & 7 {
            0 => Item::Number(self.number()?),
            2 => {
                let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
                let (bytes, rest) = self.0.split_at_checked(length).ok_or("unexpected end")?;
                self.0 = rest;
                Item::Bytes(bytes)
            }
            wire => return Err(format!("wire type {wire} is not supported")),
        };
        Ok(Some((tag >> 3, item)))
    }

    /// A varint: seven bits per byte, lowest first; the eighth bit marks that another byte follows.
    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("unexpected end")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is too long".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes a field of bytes, with its length first.
    fn bytes(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(inner.len()).unwrap()];
        out.extend(inner);
        out
    }

    fn body(kind: &str, message: &[u8]) -> Vec<u8> {
        let header = [bytes(1, b"v1"), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &header), bytes(2, message), bytes(3, b""), bytes(4, b"")].concat()
    }

    #[test]
    fn message_is_decoded_into_its_json() {
        let metadata =
            [bytes(1, b"s"), bytes(2, b""), vec![7 << 3, 0], bytes(8, b""), bytes(11, &pair_of("app", "web"))];
        let data = [bytes(1, b"key"), bytes(2, b"hi")].concat();
        let secret = [bytes(1, &metadata.concat()), bytes(2, &data), bytes(3, b"Opaque"), vec![5 << 3, 0]].concat();
        assert_eq!(
            read(&body("Secret", &secret)).unwrap(),
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "labels": { "app": "web" } },
                "data": { "key": "aGk=" }, "type": "Opaque", "immutable": false,
            })
        );
    }

    fn pair_of(key: &str, value: &str) -> Vec<u8> {
        [bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat()
    }

    #[test]
    fn zero_is_kept_only_in_optional_fields() {
        // replicas: 0, minReadySeconds: 0, paused: false
        let spec = vec![1 << 3, 0, 5 << 3, 0, 7 << 3, 0];
        let deployment = [bytes(1, &bytes(1, b"d")), bytes(2, &spec)].concat();
        assert_eq!(read(&body("Deployment", &deployment)).unwrap()["spec"], json!({ "replicas": 0 }));
        let budget = [
            bytes(1, &[]),
            bytes(2, &[bytes(1, &[8, 0, 16, 2]), bytes(3, &[&[8, 1][..], &bytes(3, b"20%")].concat())].concat()),
        ];
        let spec = &read(&body("PodDisruptionBudget", &budget.concat())).unwrap()["spec"];
        assert_eq!(*spec, json!({ "minAvailable": 2, "maxUnavailable": "20%" }));
    }

    #[test]
    fn invalid_protobuf_is_rejected_without_a_panic() {
        let whole = body("ConfigMap", &bytes(1, &bytes(1, b"c")));
        assert!(read(&whole).is_ok());
        for end in 0..whole.len() {
            drop(read(&whole[..end]));
        }
        for bad in [
            &b"{}"[..],
            b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"k8s\0\x0a\xff\xff\xff\xff\x0f",
            b"k8s\0\x0d1234",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
