//! The page about commands: what it shows is what they print.

use std::process::Command;

/// The examples of a page: a command line, and the lines under it.
fn examples(page: &str) -> Vec<(String, String)> {
    let blocks = page.split("```console\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let mut examples: Vec<(String, String)> = Vec::new();
    for line in blocks.flat_map(|(block, _)| block.lines()) {
        match (line.strip_prefix("$ "), examples.last_mut()) {
            (Some(command), _) => examples.push((command.to_owned(), String::new())),
            (None, Some((_, output))) => {
                output.push_str(line);
                output.push('\n');
            }
            (None, None) => panic!("{line}"),
        }
    }
    examples
}

/// The words of a command line, of which some are in single quotes.
fn words(command: &str) -> Vec<String> {
    let plain = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let parts = command.split('\'').enumerate();
    parts.flat_map(|(at, part)| if at % 2 == 0 { plain(part) } else { vec![part.to_owned()] }).collect()
}

#[test]
fn the_examples_are_what_the_commands_print() {
    let page = include_str!("../../../docs/cli.md");
    let mut run = 0;
    for (command, expected) in examples(page) {
        // Needs a server, or writes a file; both are tested elsewhere.
        if command.starts_with("mixer check") || command.contains('>') {
            continue;
        }
        let words = words(&command);
        let output = Command::new(env!("CARGO_BIN_EXE_mixer")).args(&words[1..]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{command}");
        run += 1;
    }
    assert_eq!(run, 4);
}

#[test]
fn every_command_is_documented_and_its_help_is_narrow() {
    let help = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_mixer")).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let page = [include_str!("../../../docs/cli.md"), include_str!("../../../docs/server.md")].concat();
    let overview = help(&[]);
    let commands = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
    // What is indented deeper goes on with the line before.
    let name = |line: &'_ str| {
        let line = line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?;
        line.split(' ').next().map(str::to_owned)
    };
    let commands: Vec<_> = commands.take_while(|line| !line.is_empty()).filter_map(name).collect();
    assert!(commands.len() > 10, "{overview}");
    for command in commands.into_iter().filter(|command| command != "help") {
        assert!(page.contains(&format!("`mixer {command}")), "{command}");
        for line in help(&[&command]).lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
}
