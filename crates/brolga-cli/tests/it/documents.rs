//! Documents are true: their commands print the lines below them, and the names in them exist.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command in a document, and its output.
struct Example<'a> {
    command: String,
    /// The lines below it. `...` stands for one line or more.
    output: Vec<&'a str>,
}

/// A part of a document.
enum Part<'a> {
    /// Other lines, with their line ends.
    Text(&'a str),
    Example(Example<'a>),
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below a directory that have this ending, hidden ones and build artefacts left out.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(directory).unwrap();
    for entry in entries.map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_str().unwrap();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            found.append(&mut files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The pages below `docs`, and the README.
fn documents() -> Vec<PathBuf> {
    let mut documents = files(&root().join("docs"), ".md");
    documents.push(root().join("README.md"));
    documents
}

/// Cuts a document at the commands in its blocks `console`. A command begins with `$ ` and
/// continues in lines that begin with `> `.
fn parts(document: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut console = false;
    let mut lines = document.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            console = line.trim_end() == "```console";
        }
        let Some(first) = line.strip_prefix("$ ").filter(|_| console) else {
            parts.push(Part::Text(line));
            continue;
        };
        let (mut command, mut output) = (first.to_owned(), Vec::new());
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            command.push_str(&more[2..]);
        }
        while let Some(line) =
            lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with("```"))
        {
            output.push(line.trim_end());
        }
        parts.push(Part::Example(Example { command, output }));
    }
    parts
}

/// Whether the lines match those of a document, in which `...` stands for one line or more.
fn matches(lines: &[&str], written: &[&str]) -> bool {
    match written {
        [] => lines.is_empty(),
        ["...", rest @ ..] => (1..=lines.len()).any(|skip| matches(&lines[skip..], rest)),
        [line, rest @ ..] => lines.first() == Some(line) && matches(&lines[1..], rest),
    }
}

/// The lines, shortened like the written ones: as many before the only `...` and after it.
fn shortened<'a>(lines: &[&'a str], written: &[&str]) -> Vec<&'a str> {
    let dots: Vec<usize> = (0..written.len()).filter(|&index| written[index] == "...").collect();
    let [dots] = dots[..] else { return lines.to_vec() };
    let (before, after) = (dots, written.len() - dots - 1);
    if before + after >= lines.len() {
        return lines.to_vec();
    }
    let mut shown = lines[..before].to_vec();
    shown.push("...");
    shown.extend(&lines[lines.len() - after..]);
    shown
}

/// The output of a command in a shell that finds `brolga`.
fn run(command: &str, directory: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_brolga")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(directory)
        .env("PATH", path)
        .env_remove("BROLGA_ISA")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg_attr(
    not(all(unix, target_arch = "x86_64")),
    ignore = "documents show machine code of x86-64 and use a shell"
)]
fn commands_print_what_stands_below_them() {
    let update = std::env::var_os("INSTA_UPDATE").is_some_and(|word| word == "always");
    let (mut count, mut wrong) = (0, String::new());
    for path in documents() {
        let document = fs::read_to_string(&path).unwrap();
        // The commands of one document see the files that those above have written.
        let directory = tempfile::tempdir().unwrap();
        let mut updated = String::new();
        for part in parts(&document) {
            let Example { command, output } = match part {
                Part::Text(line) => {
                    updated.push_str(line);
                    continue;
                }
                Part::Example(example) => example,
            };
            count += 1;
            let printed = run(&command, directory.path());
            let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
            let right = matches(&lines, &output);
            if !right {
                let _ = writeln!(wrong, "{}: $ {command}{printed}", path.display());
            }
            let shown = if right { output } else { shortened(&lines, &output) };
            let _ = write!(updated, "$ {}", command.trim_end().replace('\n', "\n> "));
            shown.iter().for_each(|line| updated.push_str(&format!("\n{line}")));
            updated.push('\n');
        }
        if update && updated != document {
            fs::write(&path, updated).unwrap();
        }
    }
    assert!(count > 0, "there are commands");
    assert!(update || wrong.is_empty(), "INSTA_UPDATE=always writes what is printed:\n{wrong}");
}

/// The words between backticks, outside of blocks of code.
fn code_words(document: &str) -> impl Iterator<Item = &str> {
    let prose = document.split("```").step_by(2);
    prose.flat_map(|text| text.split('`').skip(1).step_by(2))
}

/// The words that a name with alternatives in braces stands for: `{a,b}.rs` is `a.rs` and `b.rs`.
fn alternatives(name: &str) -> Vec<String> {
    let Some((before, rest)) = name.split_once('{') else { return vec![name.to_owned()] };
    let Some((inside, after)) = rest.split_once('}') else { return vec![name.to_owned()] };
    inside.split(',').flat_map(|word| alternatives(&format!("{before}{word}{after}"))).collect()
}

/// Whether this is the name of a source file or a folder; files of examples have other endings.
fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./{},*".contains(c);
    let ending = [".rs", ".md", ".toml", ".py", "/"].iter().any(|ending| word.ends_with(ending));
    let folder = ["crates/", "docs/", "tests/", "benches/", "examples/"];
    let inside = folder.iter().any(|folder| word.starts_with(folder));
    word.chars().all(plain) && !word.starts_with(['.', '/', '*']) && (ending || inside)
}

/// Whether the file of a link exists, and so does the heading that it names.
fn leads_somewhere(from: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { from.to_owned() } else { from.with_file_name(file) };
    let anchor = |title: &str| -> String {
        let kept = title.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    if heading.is_empty() {
        return target.exists();
    }
    let Ok(document) = fs::read_to_string(target) else { return false };
    let titles = document.lines().filter(|line| line.starts_with('#'));
    titles.map(|line| anchor(line.trim_start_matches('#').trim())).any(|found| found == heading)
}

#[test]
fn paths_in_documents_exist() {
    let root = root().canonicalize().unwrap();
    let all: BTreeSet<String> = files(&root, "")
        .iter()
        .map(|path| format!("/{}", path.strip_prefix(&root).unwrap().display()))
        .collect();
    let exists = |name: &str| {
        let name = name.trim_end_matches('/');
        all.iter().any(|path| match name.split_once('*') {
            Some((before, after)) => path.contains(&format!("/{before}")) && path.ends_with(after),
            None => path.ends_with(&format!("/{name}")) || path.contains(&format!("/{name}/")),
        })
    };
    let mut lost = Vec::new();
    for path in documents() {
        let document = fs::read_to_string(&path).unwrap();
        let named = code_words(&document).filter(|word| is_path(word)).flat_map(alternatives);
        lost.extend(named.filter(|name| !exists(name)).map(|name| (path.clone(), name)));
        let links = document.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let broken = links.filter(|link| !link.contains("://") && !leads_somewhere(&path, link));
        lost.extend(broken.map(|link| (path.clone(), link.to_owned())));
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

/// The last part of a path such as `Region::fuse`, or the name of a call such as `refuses(..)`.
fn rust_name(word: &str) -> Option<&str> {
    let path = word.split(['(', '<']).next()?.trim_end_matches('!');
    let is_name = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let called = word.ends_with(')') || word.ends_with('!');
    let ours = path.split("::").all(is_name) && !path.starts_with("std::");
    let right = ours && (called || path.contains("::"));
    path.rsplit("::").next().filter(|_| right)
}

#[test]
fn rust_names_in_documents_exist() {
    let root = root().canonicalize().unwrap();
    let sources: String =
        files(&root, ".rs").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let words: BTreeSet<&str> =
        sources.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let mut lost = Vec::new();
    for path in documents() {
        let document = fs::read_to_string(&path).unwrap();
        let names = code_words(&document).filter_map(rust_name);
        let missing = names.filter(|name| !words.contains(name));
        lost.extend(missing.map(|name| format!("{}: {name}", path.display())));
    }
    assert!(lost.is_empty(), "{lost:#?}");
}
