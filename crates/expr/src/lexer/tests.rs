//! Tests of the lexer.

use expect_test::{Expect, expect};

use super::tokens;
use crate::testing::check_each;

fn check(texts: &[&str], expected: Expect) {
    check_each(texts, outcome, expected);
}

fn outcome(text: &str) -> String {
    match tokens(text) {
        Ok(tokens) => {
            let lines: Vec<_> = tokens.iter().map(|(token, span)| format!("{span:?} {token:?}")).collect();
            lines.join("\n")
        }
        Err(error) => format!("{:?} {}", error.span, error.message),
    }
}

#[test]
fn operators_are_as_long_as_they_can_be() {
    check(
        &["a<=b<<c&^d&&!e"],
        expect![[r#"
        a<=b<<c&^d&&!e
            0..1 Identifier("a")
            1..3 Symbol("<=")
            3..4 Identifier("b")
            4..6 Symbol("<<")
            6..7 Identifier("c")
            7..9 Symbol("&^")
            9..10 Identifier("d")
            10..12 Symbol("&&")
            12..13 Symbol("!")
            13..14 Identifier("e")
            14..14 End
    "#]],
    );
}

#[test]
fn numbers() {
    check(
        &[
            "0 010 2. .5 1e3 1.5E-3 9223372036854775807",
            "9223372036854775808",
            "1e999",
            "0x1F",
            "1_000",
            "1e",
        ],
        expect![[r#"
            0 010 2. .5 1e3 1.5E-3 9223372036854775807
                0..1 Int64(0)
                2..5 Int64(10)
                6..8 Double(2.0)
                9..11 Double(0.5)
                12..15 Double(1000.0)
                16..22 Double(0.0015)
                23..42 Int64(9223372036854775807)
                42..42 End
            9223372036854775808
                0..19 the number is malformed or out of range
            1e999
                0..5 the number is malformed or out of range
            0x1F
                0..4 expected a decimal number
            1_000
                0..5 expected a decimal number
            1e
                0..2 the number is malformed or out of range
        "#]],
    );
}

#[test]
fn texts() {
    check(
        &[
            r#""a\"\\\n\x41\u00e9\U0001F600\101" `b\n` 'c' '\''"#,
            r#""\xc3\xa9""#,
            r#""\xff""#,
            r#""\q""#,
            r#""\u12""#,
            r#""\ud800""#,
            "\"a\nb\"",
            "\"a",
            "`a",
            "'ab'",
        ],
        expect![[r#"
            "a\"\\\n\x41\u00e9\U0001F600\101" `b\n` 'c' '\''
                0..33 Text("a\"\\\nAé😀A")
                34..39 Text("b\\n")
                40..43 Text("c")
                44..48 Text("'")
                48..48 End
            "\xc3\xa9"
                0..10 Text("é")
                10..10 End
            "\xff"
                0..6 the text is not valid UTF-8
            "\q"
                1..3 unknown escape; a backslash itself is written as `\\`
            "\u12"
                1..5 unknown escape; a backslash itself is written as `\\`
            "\ud800"
                1..7 the escape names no character
            "a
            b"
                0..3 the text has no closing quote
            "a
                0..2 the text has no closing quote
            `a
                0..2 the text has no closing quote
            'ab'
                0..4 expected one character between apostrophes; longer texts are written in "quotes"
        "#]],
    );
}

#[test]
fn space_and_comments() {
    check(
        &["a // b\n /* c \n */ d", "a /* b"],
        expect![[r#"
        a // b
         /* c 
         */ d
            0..1 Identifier("a")
            18..19 Identifier("d")
            19..19 End
        a /* b
            2..6 the comment has no end
    "#]],
    );
}

#[test]
fn what_is_no_token() {
    check(
        &["a = b", "a @ b", "a{}", "größe.ü_1"],
        expect![[r#"
        a = b
            2..3 expected `==`, found `=`
        a @ b
            2..3 illegal character '@' (U+0040)
        a{}
            1..2 `{`
        größe.ü_1
            0..7 Identifier("größe")
            7..8 Symbol(".")
            8..12 Identifier("ü_1")
            12..12 End
    "#]],
    );
}
