//! Tests of the parser: text, then the tree in the notation of errors, then as it is printed.

use expect_test::{Expect, expect};

use super::parse;
use crate::ast::Prefix;
use crate::limits;
use crate::testing::check_each;

fn check(texts: &[&str], expected: Expect) {
    check_each(texts, outcome, expected);
}

fn outcome(text: &str) -> String {
    match parse(text) {
        Ok(expr) => format!("{}\n{expr}", Prefix(&expr)),
        Err(error) => format!("{}\nat {:?} {:?}", error.message, error.span, &text[error.span.clone()]),
    }
}

#[test]
fn precedence() {
    check(
        &[
            "a || b && c == d + e * f",
            "a * b + c == d && e || f",
            "a | \"x\" == \"x\"",
            "a | (\"x\" == \"x\")",
            "a - b - c",
            "a - (b - c)",
            "!a == -b",
            "!(a == b)",
        ],
        expect![[r#"
            a || b && c == d + e * f
                LOR($a, LAND($b, EQ($c, ADD($d, MUL($e, $f)))))
                a || b && c == d + e * f
            a * b + c == d && e || f
                LOR(LAND(EQ(ADD(MUL($a, $b), $c), $d), $e), $f)
                a * b + c == d && e || f
            a | "x" == "x"
                EQ(OR($a, "x"), "x")
                a | "x" == "x"
            a | ("x" == "x")
                OR($a, EQ("x", "x"))
                a | ("x" == "x")
            a - b - c
                SUB(SUB($a, $b), $c)
                a - b - c
            a - (b - c)
                SUB($a, SUB($b, $c))
                a - (b - c)
            !a == -b
                EQ(NOT($a), SUB($b))
                !a == -b
            !(a == b)
                NOT(EQ($a, $b))
                !(a == b)
        "#]],
    );
}

#[test]
fn names_keys_and_calls() {
    check(
        &[
            "a.b.c",
            "a.b[\"k\"][c]",
            "(a | b)[\"k\"]",
            "f(a, g(), b,)",
            "a.b.f(c).g()",
            "(a.b).f()",
            "(5).f()",
            "EQ(a, b)",
            "EQ(a)",
        ],
        expect![[r#"
            a.b.c
                $a.b.c
                a.b.c
            a.b["k"][c]
                INDEX(INDEX($a.b, "k"), $c)
                a.b["k"][c]
            (a | b)["k"]
                INDEX(OR($a, $b), "k")
                (a | b)["k"]
            f(a, g(), b,)
                f($a, g(), $b)
                f(a, g(), b)
            a.b.f(c).g()
                $a.b:f($c):g()
                a.b.f(c).g()
            (a.b).f()
                $a.b:f()
                a.b.f()
            (5).f()
                5:f()
                (5).f()
            EQ(a, b)
                EQ($a, $b)
                a == b
            EQ(a)
                EQ($a)
                EQ(a)
        "#]],
    );
}

#[test]
fn constants() {
    check(
        &["TRUE == false", "1.50 == 010", "true.x", "\"90s\" == \"0\"", "1.0 + 10", "'\"'"],
        expect![[r#"
        TRUE == false
            EQ(TRUE, false)
            true == false
        1.50 == 010
            EQ(1.50, 010)
            1.5 == 10
        true.x
            $true.x
            true.x
        "90s" == "0"
            EQ("90s", "0")
            "1m30s" == "0s"
        1.0 + 10
            ADD(1.0, 10)
            1.0 + 10
        '"'
            '"'
            "\""
    "#]],
    );
}

#[test]
fn what_is_no_expression() {
    check(
        &[
            "",
            " // nothing",
            "a b",
            "a ==",
            "== a",
            "(a",
            "a[\"k\"",
            "f(a b)",
            "f(,)",
            "a.",
            "a = b",
            "*a",
            "(a).b",
            "a[\"k\"].b",
            "(a)(b)",
            "a[1:2]",
        ],
        expect![[r#"

                unable to parse expression '': the expression is empty
                at 0..0 ""
             // nothing
                unable to parse expression ' // nothing': the expression is empty
                at 0..11 " // nothing"
            a b
                unable to parse expression 'a b': expected an operator or the end, found `b`
                at 2..3 "b"
            a ==
                unable to parse expression 'a ==': expected an operand, found the end
                at 4..4 ""
            == a
                unable to parse expression '== a': expected an operand, found `==`
                at 0..2 "=="
            (a
                unable to parse expression '(a': expected `)`, found the end
                at 2..2 ""
            a["k"
                unable to parse expression 'a["k"': expected `]`, found the end
                at 5..5 ""
            f(a b)
                unable to parse expression 'f(a b)': expected `,` or `)`, found `b`
                at 4..5 "b"
            f(,)
                unable to parse expression 'f(,)': expected an operand, found `,`
                at 2..3 ","
            a.
                unable to parse expression 'a.': expected a name after `.`, found the end
                at 2..2 ""
            a = b
                unable to parse expression 'a = b': expected `==`, found `=`
                at 2..3 "="
            *a
                unexpected expression: `*` before an operand
                at 0..1 "*"
            (a).b
                unexpected expression: `.b` after what is no attribute's name
                at 4..5 "b"
            a["k"].b
                unexpected expression: `.b` after what is no attribute's name
                at 7..8 "b"
            (a)(b)
                unexpected expression: a call of what is no function
                at 3..4 "("
            a[1:2]
                unexpected expression: `:`
                at 3..4 ":"
        "#]],
    );
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
    assert!(parse(&nested(limits::NESTING - 1)).is_ok());
    assert!(parse(&nested(limits::NESTING)).is_err());
    assert!(parse(&"!".repeat(5_000)).is_err());
    assert!(parse(&"[".repeat(5_000)).is_err());

    let chain = |length: usize| vec!["a"; length].join("||");
    assert!(parse(&chain(limits::DEPTH)).is_ok());
    assert!(parse(&chain(limits::DEPTH + 1)).is_err());
    assert!(parse(&format!("a{}", ".f()".repeat(limits::DEPTH))).is_err());

    assert!(parse(&" ".repeat(limits::TEXT_BYTES)).unwrap_err().message.contains("empty"));
    assert!(parse(&" ".repeat(limits::TEXT_BYTES + 1)).unwrap_err().message.contains("bytes long"));
}
