//! `cosmos-gateway [--port N]`: a Cosmos DB account on loopback, until the process ends. Prints its endpoint and its key.

use std::process::ExitCode;

use cosmos_gateway::{Gateway, KEY};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => Some(0),
        ["--port", port] => port.parse().ok(),
        _ => None,
    };
    let Some(port) = port else {
        eprintln!("usage: cosmos-gateway [--port N]");
        return ExitCode::from(64);
    };
    match Gateway::start(port).await {
        Ok(gateway) => {
            println!("{} {KEY}", gateway.endpoint());
            gateway.serve().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}
