//! A custom handler that writes down every byte it gets and answers as its test says. The test binary runs itself as one.
//!
//! It looks into `behaviour` in its working directory at each request: one rule a line, `<start of request line> => <what to do>`,
//! the first that fits. It appends each request to `requests`, one JSON value a line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One request as it came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) pid: u32,
    /// Numbers the connections of one process.
    pub(crate) connection: usize,
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    /// After chunks were joined; bytes that are not UTF-8 are replaced.
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Not a test: the handler's `main`, where the variable is set that every test sets for it.
#[test]
fn run_as_handler() {
    if std::env::var_os("HANDLER").is_none() {
        return;
    }
    if let Ok(act) = std::fs::read_to_string("at_start") {
        act.lines().for_each(act_alone);
    }
    let port: u16 = std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT")
        .unwrap()
        .parse()
        .unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for (connection, stream) in listener.incoming().enumerate() {
        std::thread::spawn(move || serve(connection, stream.unwrap()));
    }
}

fn serve(connection: usize, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(request) = read(connection, &mut reader) {
        if request.line.starts_with("GET / ") && request.headers.len() == 1 {
            record(&request, "probes");
            writer
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
            continue;
        }
        record(&request, "requests");
        let rules = std::fs::read_to_string("behaviour").unwrap_or_default();
        let mut acts = rules
            .lines()
            .filter_map(|rule| rule.split_once(" => "))
            .find(|(start, _)| request.line.starts_with(start))
            .map_or("json {}", |(_, acts)| acts)
            .to_owned();
        while let Some((act, rest)) = acts.clone().split_once(" ; ") {
            act_alone(act);
            acts = rest.to_owned();
        }
        let (act, argument) = acts.split_once(' ').unwrap_or((&acts, ""));
        match act {
            "json" => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    argument.len()
                );
                let _ = writer.write_all(format!("{head}{argument}").as_bytes());
            }
            "raw" => {
                let _ = writer.write_all(argument.replace("\\r\\n", "\r\n").as_bytes());
            }
            "echo" => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                    request.body.len()
                );
                let _ = writer.write_all(format!("{head}{}", request.body).as_bytes());
            }
            "environment" => {
                let names = [
                    "FUNCTIONS_CUSTOMHANDLER_PORT",
                    "FUNCTIONS_CUSTOMHANDLER_WORKER_ID",
                    "FUNCTIONS_HTTPWORKER_PORT",
                    "FUNCTIONS_HTTPWORKER_ID",
                    "FUNCTIONS_APP_ROOT_PATH",
                    "FROM_FILE",
                    "FROM_TEST",
                ];
                let mut found: Vec<_> = names.map(|name| std::env::var(name).unwrap_or_default()).into();
                found.push(std::env::current_dir().unwrap().display().to_string());
                let body = serde_json::to_string(&found).unwrap();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = writer.write_all(format!("{head}{body}").as_bytes());
            }
            "close" => return,
            _ => act_alone(&acts),
        }
    }
}

/// Acts that send nothing.
fn act_alone(act: &str) {
    let (act, argument) = act.trim().split_once(' ').unwrap_or((act.trim(), ""));
    match act {
        "exit" => std::process::exit(argument.parse().unwrap()),
        "sleep" => std::thread::sleep(Duration::from_millis(argument.parse().unwrap())),
        // Waits for a file that the test makes.
        "await" => {
            while !Path::new(argument).exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        "out" => {
            let _ = writeln!(std::io::stdout().lock(), "{argument}");
        }
        "err" => {
            let _ = writeln!(std::io::stderr().lock(), "{argument}");
        }
        other => panic!("unknown act {other:?}"),
    }
}

fn record(request: &Request, file: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap();
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    file.write_all(format!("{}\n", serde_json::to_string(request).unwrap()).as_bytes())
        .unwrap();
}

fn read(connection: usize, reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let line = read_line(reader)?;
    let mut headers = Vec::new();
    loop {
        let header = read_line(reader)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ").unwrap();
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut request = Request {
        pid: std::process::id(),
        connection,
        line,
        headers,
        body: String::new(),
    };
    let mut body = Vec::new();
    if request.header("Transfer-Encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(&read_line(reader)?, 16).unwrap();
            let start = body.len();
            body.resize(start + size, 0);
            reader.read_exact(&mut body[start..]).ok()?;
            assert_eq!(read_line(reader)?, "");
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("Content-Length") {
        body.resize(length.parse().unwrap(), 0);
        reader.read_exact(&mut body).ok()?;
    }
    request.body = String::from_utf8_lossy(&body).into_owned();
    Some(request)
}

fn read_line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    Some(line.strip_suffix("\r\n").expect("lines end in CRLF").to_owned())
}
