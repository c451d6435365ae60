//! Where commands are typed: a folder, an environment, and a terminal that is none.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::Parser;
use cli::{Common, Exit, FactoryVerb, Sink, Source, Surroundings, Terminal, Verb};
use clock::System;
use tempfile::TempDir;

#[derive(Debug, Parser)]
#[command(name = "gigamesh")]
pub(crate) struct Words {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What `gigamesh factory` takes from here, since that is more than a client's verb.
#[derive(Debug, Parser)]
struct OfFactory {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: FactoryVerb,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A place to type in.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) input: &'static str,
    pub(crate) url: String,
    pub(crate) colour: bool,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.keep(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn keep(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Words {
    fn parsed(words: &str) -> Self {
        let typed: Vec<&str> = words.split_whitespace().collect();
        match typed.split_first() {
            Some((&"factory", rest)) => {
                let OfFactory { common, verb } =
                    OfFactory::try_parse_from([&["factory"], rest].concat()).unwrap();
                Self { common, verb: Verb::Factory(verb) }
            }
            _ => Self::try_parse_from([&["gigamesh"], &*typed].concat()).unwrap(),
        }
    }
}

impl Place {
    /// In a folder of its own, with nothing set but the fleet's address and token.
    pub(crate) fn before(url: &str, token: &str) -> Self {
        let mut place = Self::empty();
        place.environment.insert("GIGAMESH_URL".to_owned(), url.to_owned());
        place.environment.insert("GIGAMESH_TOKEN".to_owned(), token.to_owned());
        url.clone_into(&mut place.url);
        place
    }

    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: BTreeMap::new(),
            input: "",
            url: String::from("http://nowhere"),
            colour: false,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) async fn on_a_terminal(&self, words: &str) -> Typed {
        self.typed(words, true, std::future::pending()).await
    }

    pub(crate) async fn in_a_pipe(&self, words: &str) -> Typed {
        self.typed(words, false, std::future::pending()).await
    }

    /// In a pipe, with what it said as it stands.
    pub(crate) async fn exactly(&self, words: &str) -> Typed {
        self.heard(words, false, std::future::pending()).await
    }

    pub(crate) async fn typed(
        &self,
        words: &str,
        is_terminal: bool,
        interrupted: impl Future<Output = ()> + Send + 'static,
    ) -> Typed {
        let Typed { exit, out, err } = self.heard(words, is_terminal, interrupted).await;
        Typed { exit, out: self.plain(&out), err: self.plain(&err) }
    }

    async fn heard(
        &self,
        words: &str,
        is_terminal: bool,
        interrupted: impl Future<Output = ()> + Send + 'static,
    ) -> Typed {
        let words = Words::parsed(words);
        let (out, err) = (Kept::default(), Kept::default());
        let sink = |kept: &Kept| Sink { writer: Box::new(kept.clone()), is_terminal };
        let terminal = Terminal {
            out: sink(&out),
            err: sink(&err),
            input: Source { reader: Box::new(Cursor::new(self.input)), is_terminal },
            width: 100,
            colour: self.colour,
        };
        let system = Arc::new(System::start());
        let surroundings = Surroundings {
            environment: self.environment.clone(),
            folder: self.folder().to_owned(),
            clock: Arc::<System>::clone(&system),
            ids: system,
            interrupted: Box::pin(interrupted),
        };
        let exit = cli::run(words.verb, words.common, terminal, surroundings).await;
        Typed { exit, out: out.text(), err: err.text() }
    }

    /// One command as a transcript tells it, on a terminal or in a pipe.
    pub(crate) async fn told(&self, words: &str, is_terminal: bool) -> String {
        let typed = self.typed(words, is_terminal, std::future::pending()).await;
        let sign = if is_terminal { "$" } else { "|" };
        let typed = Typed { err: typed.err.replace('\r', "␍").replace('\u{1b}', "␛"), ..typed };
        let err: String = typed.err.lines().map(|line| format!("! {line}\n")).collect();
        format!("{sign} gigamesh {words}\n{}{err}exit {}\n\n", typed.out, typed.exit.code())
    }

    /// Without what differs from one time to the next.
    fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.url, "http://fleet");
        let text = text.replace(&self.folder().display().to_string(), "/here");
        let text = numbered(&text, "\"etag\": \"");
        let text = numbered(&numbered(&text, "\"etag\":\""), "\"rev\": ");
        let text = numbered(&text, "\"rev\":");
        let text = masked(&text, &format!("_{}", "x".repeat(32)), "_<id>");
        let text = masked(&text, "dddd-dd-ddTdd:dd:dd.dddZ", "<time>");
        masked(&text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "<uuid>")
    }
}

/// Writes `0` for each number after this mark: it counts the writes of a whole fleet.
fn numbered(text: &str, mark: &str) -> String {
    let mut parts = text.split(mark);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        whole += mark;
        whole += "0";
        whole += part.trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    whole
}

/// Puts `sign` wherever the text has this form: `d` a digit, `x` a hex digit, the rest itself.
fn masked(text: &str, form: &str, sign: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let form: Vec<char> = form.chars().collect();
    let fits = |at: usize| {
        letters.get(at..at + form.len()).is_some_and(|part| {
            part.iter().zip(&form).all(|(letter, wanted)| match wanted {
                'd' => letter.is_ascii_digit(),
                'x' => letter.is_ascii_hexdigit(),
                other => letter == other,
            })
        })
    };
    let (mut masked, mut at) = (String::new(), 0);
    while at < letters.len() {
        if fits(at) {
            masked.push_str(sign);
            at += form.len();
        } else {
            masked.push(letters[at]);
            at += 1;
        }
    }
    masked
}
