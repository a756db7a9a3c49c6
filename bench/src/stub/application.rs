//! An application that costs next to nothing: what is measured is Envoy in front of it.

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";

/// What ends a request that has no body.
const END: &[u8] = b"\r\n\r\n";

/// More than any request of ours.
const BUFFER_BYTES: usize = 16 * 1024;

/// Answers whatever connects.
pub(super) async fn serve(listener: &TcpListener) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks is the client's matter.
        tokio::spawn(answer(stream));
    }
}

/// Envoy sends one request at a time and waits for its answer.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        if buffer[..filled].ends_with(END) {
            stream.write_all(ANSWER).await?;
            filled = 0;
        }
    }
}
