use actix_http::ws::{OpCode, Parser};
use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

/// A client's frame: masked, as RFC 6455 wants it.
fn sent(first: u8, declared: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match declared {
        0..=125 => bytes.push(0x80 | u8::try_from(declared).unwrap()),
        126..=0xFFFF => {
            bytes.push(0x80 | 0x7E);
            bytes.extend(u16::try_from(declared).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 0x7F);
            bytes.extend(declared.to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn whole(first: u8, payload: &[u8]) -> Vec<u8> {
    sent(first, payload.len() as u64, payload)
}

/// Feeds `bytes` in pieces of `step` and lists what was heard.
fn heard(bytes: &[u8], step: usize, limit: usize) -> (Vec<String>, Result<(), Violation>) {
    let (mut reader, mut heard) = (Reader::default(), Vec::new());
    for piece in bytes.chunks(step) {
        let result = reader.feed(&mut piece.to_vec(), limit, |inbound| {
            heard.push(format!("{inbound:?}"));
            true
        });
        if result.is_err() {
            return (heard, result);
        }
    }
    (heard, Ok(()))
}

#[test]
fn frames_are_read_whatever_the_pieces_they_come_in() {
    let stream = [
        whole(0x81, b"hello"),
        whole(0x89, b"p"),
        whole(0x01, b"frag"),
        whole(0x8A, b""),
        whole(0x80, b"ment"),
        whole(0x82, &[0; 300]),
        whole(0x88, &[0x03, 0xE8]),
    ]
    .concat();
    let want = [
        r#"Text("hello")"#,
        "Ping([112])",
        "Pong",
        r#"Text("fragment")"#,
        "Binary",
        "Close(Some(1000))",
    ];
    for step in [1, 2, 3, 7, 64, 10_000] {
        let (heard, result) = heard(&stream, step, 512);
        assert_eq!(result, Ok(()));
        assert_eq!(heard, want, "in pieces of {step}");
    }
}

#[test]
fn a_declared_length_beyond_the_limit_is_refused_at_its_header() {
    let tebibyte = 1 << 40;
    for (bytes, name) in [
        (&sent(0x81, tebibyte, b"")[..10], "1 TiB, mask not even sent"),
        (&sent(0x81, 513, b"")[..4], "one more than the limit"),
        (&[whole(0x01, &[b'a'; 400]), sent(0x80, 113, b"")].concat()[..], "sum of fragments"),
    ] {
        assert_eq!(heard(bytes, 10_000, 512).1, Err(Violation::TooBig), "{name}");
    }
    assert_eq!(heard(&whole(0x81, &[b'a'; 512]), 10_000, 512).1, Ok(()));
}

#[test]
fn violations_are_told_apart() {
    let mut unmasked = whole(0x81, b"x");
    unmasked[1] &= 0x7F;
    let cases = [
        (unmasked, Violation::Protocol),
        (whole(0xC1, b"x"), Violation::Protocol),
        (whole(0x83, b"x"), Violation::Protocol),
        (whole(0x09, b"fragmented ping"), Violation::Protocol),
        (sent(0x89, 126, &[0; 126]), Violation::Protocol),
        (whole(0x80, b"continues nothing"), Violation::Protocol),
        ([whole(0x01, b"a"), whole(0x81, b"b")].concat(), Violation::Protocol),
        (whole(0x88, &[3]), Violation::Protocol),
        (whole(0x81, &[0xFF]), Violation::Utf8),
    ];
    for (bytes, want) in cases {
        assert_eq!(heard(&bytes, 10_000, 512).1, Err(want), "{bytes:x?}");
    }
}

#[test]
fn nothing_is_kept_between_complete_messages() {
    let mut reader = Reader::default();
    reader.feed(&mut whole(0x81, b"hello"), 512, |_| true).unwrap();
    assert!(reader.partial.is_none());
}

#[test]
fn close_reasons_are_cut_at_a_character() {
    let frame = close(4000, &"ä".repeat(100));
    assert_eq!(frame.len(), 2 + 2 + 122);
}

proptest! {
    #[test]
    fn what_the_server_writes_another_parser_reads(payload in "\\PC{0,200}", repeat in 0..400usize) {
        let payload = payload.repeat(repeat);
        let mut bytes = BytesMut::from(&text(0, |out| out.push_str(&payload))[..]);
        let (fin, _, read) = Parser::parse(&mut bytes, false, 1 << 20).unwrap().unwrap();
        prop_assert!(fin);
        prop_assert_eq!(read.unwrap_or_default(), payload.as_bytes());
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn random_bytes_never_panic_nor_pile_up(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000), step in 1..100usize,
    ) {
        let mut reader = Reader::default();
        for piece in bytes.chunks(step) {
            if reader.feed(&mut piece.to_vec(), 256, |_| true).is_err() {
                break;
            }
            let kept = reader.partial.as_ref().map_or(0, |partial| {
                partial.frame.len() + partial.message.as_ref().map_or(0, |(_, m)| m.len())
            });
            prop_assert!(kept <= 2 * 256 + MAX_HEADER, "{}", kept);
        }
    }
}

#[test]
fn what_another_writer_fragments_is_one_message() {
    let mut bytes = BytesMut::new();
    Parser::write_message(&mut bytes, "first ", OpCode::Text, false, true);
    Parser::write_message(&mut bytes, "last", OpCode::Continue, true, true);
    assert_eq!(heard(&bytes, 5, 512).0, [r#"Text("first last")"#]);
}

#[test]
fn the_payloads_of_frames_are_found_whatever_their_length() {
    let texts = [0, 1, 125, 126, 65_535, 65_536].map(|length| "x".repeat(length));
    let frames: Vec<u8> = texts.iter().flat_map(|text| message(text).to_vec()).collect();
    let found: Vec<&[u8]> = payloads(&frames).collect();
    assert_eq!(found, texts.each_ref().map(String::as_bytes));
    assert_eq!(payloads(&frames[..1]).count(), 0);
}
