//! HTTP readers and writers against a server that is made here, connection by connection.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::io::{ErrorKind, IoSlice};
use std::time::Duration;

use rustfs_rio_stream::Writer;
use rustfs_rio_stream::reader::HardLimitReader;
use rustfs_rio_stream::transport::*;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One request as the server saw it: its head, and its body without the chunks' headers; `None` if that did not end.
type Seen = (String, Option<Vec<u8>>);

async fn line<R: tokio::io::AsyncBufRead + Unpin>(stream: &mut R) -> Option<String> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await {
            Ok(b'\n') => return String::from_utf8(line).ok().map(|line| line.trim_end().to_owned()),
            Ok(byte) => line.push(byte),
            Err(_) => return None,
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = String::new();
    loop {
        match line(stream).await?.as_str() {
            "" => break,
            text => head.push_str(&format!("{text}\n")),
        }
    }
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return Some((head, Some(Vec::new())));
    }
    let mut body = Vec::new();
    loop {
        let Some(size) = line(stream).await else { return Some((head, None)) };
        let size = usize::from_str_radix(&size, 16).unwrap();
        let at = body.len();
        body.resize(at + size, 0);
        if stream.read_exact(&mut body[at..]).await.is_err() {
            return Some((head, None));
        }
        line(stream).await;
        if size == 0 {
            return Some((head, Some(body)));
        }
    }
}

/// Answers each request of one connection with the next of `answers`, and returns what it saw.
async fn serve(answers: Vec<&'static str>) -> (String, JoinHandle<Vec<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut seen = Vec::new();
        for answer in answers {
            let Some(request) = request(&mut stream).await else { break };
            let whole = request.1.is_some();
            seen.push(request);
            if !whole {
                break;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        seen
    });
    (url, server)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn writer(url: &str) -> HttpWriter {
    HttpWriter::new(format!("{url}/object"), Method::PUT, HeaderMap::new()).await.unwrap()
}

#[tokio::test]
async fn one_get_and_the_connection_is_used_again() {
    let hello = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world";
    let (url, server) = serve(vec![hello, hello]).await;
    for _ in 0..2 {
        let url = format!("{url}/object?part=1");
        let mut reader = HttpReader::new(url.clone(), Method::GET, HeaderMap::new(), None).await.unwrap();
        assert_eq!((reader.url(), reader.method()), (url.as_str(), &Method::GET));
        let mut body = String::new();
        reader.read_to_string(&mut body).await.unwrap();
        assert_eq!(body, "hello world");
    }
    let seen = server.await.unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|(head, _)| head.starts_with("GET /object?part=1 ")), "{seen:?}");
}

#[tokio::test]
async fn a_status_that_is_no_success_is_an_error() {
    let (url, server) = serve(vec!["HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"]).await;
    let url = format!("{url}/rustfs/rpc/walk_dir?x=1");
    let error = HttpReader::new(url, Method::GET, HeaderMap::new(), None).await.unwrap_err();
    server.await.unwrap();
    let typed = error.get_ref().unwrap().downcast_ref::<InternodeHttpError>().unwrap();
    assert_eq!(*typed.kind(), InternodeHttpErrorKind::HttpStatus(http::StatusCode::SERVICE_UNAVAILABLE));
    assert!(typed.kind().is_retryable());
    assert_eq!(
        (typed.context().target(), typed.context().operation()),
        ("/rustfs/rpc/walk_dir?x=1", Some("walk_dir"))
    );
    assert_eq!(error.to_string(), "HTTP status 503 Service Unavailable: GET /rustfs/rpc/walk_dir?x=1");
}

#[tokio::test]
async fn nobody_there_and_nothing_to_reach() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = HttpReader::new(url.clone(), Method::GET, HeaderMap::new(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let mut writer = HttpWriter::new(url, Method::PUT, HeaderMap::new()).await.unwrap();
    let _ = writer.write(b"x").await;
    assert_eq!(writer.shutdown().await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let error = HttpReader::new("no url".to_owned(), Method::GET, HeaderMap::new(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_an_error() {
    let (url, server) = serve(vec!["HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort"]).await;
    let mut reader = HttpReader::new(url, Method::GET, HeaderMap::new(), None).await.unwrap();
    let mut body = Vec::new();
    assert!(reader.read_to_end(&mut body).await.is_err());
    assert_eq!(body, b"short");
    server.await.unwrap();
}

#[tokio::test]
async fn a_stall_is_an_error_and_a_slow_body_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
        let _ = stopped.await;
    });
    let stall = Some(Duration::from_millis(100));
    let reader =
        HttpReader::new_with_stall_timeout(url, Method::GET, HeaderMap::new(), None, stall).await.unwrap();
    let mut reader = HardLimitReader::new(reader, 9);
    let mut body = Vec::new();
    let error = reader.read_to_end(&mut body).await.unwrap_err();
    assert_eq!((body.as_slice(), error.kind()), (&b"abc"[..], ErrorKind::TimedOut));
    assert_eq!(error.to_string(), "HttpReader stall timeout: no data received before deadline");
    stop.send(()).unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn one_put_with_the_whole_body() {
    let (url, server) = serve(vec![OK, OK]).await;
    let mut small = Writer::from_http(writer(&url).await);
    for i in 0..256u32 {
        small.write_all(&[i as u8; 16]).await.unwrap();
    }
    small.flush().await.unwrap();
    small.shutdown().await.unwrap();
    small.shutdown().await.unwrap();
    assert_eq!(small.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut vectored = writer(&url).await;
    assert!(vectored.is_write_vectored());
    let slices = [IoSlice::new(b"hello "), IoSlice::new(b"world")];
    assert_eq!(vectored.write_vectored(&slices).await.unwrap(), 11);
    vectored.shutdown().await.unwrap();
    let seen = server.await.unwrap();
    assert_eq!(seen.len(), 2, "one connection for both");
    assert!(seen.iter().all(|(head, _)| head.starts_with("PUT /object ")), "{seen:?}");
    assert_eq!(seen[0].1.as_ref().unwrap().len(), 4096);
    assert_eq!(seen[1].1.as_deref(), Some(&b"hello world"[..]));
}

#[tokio::test]
async fn large_bodies_pass() {
    let (url, server) = serve(vec![OK]).await;
    let data: Vec<u8> = (0..20_000_003u32).map(|i| (i * 7 / 3) as u8).collect();
    let mut large = writer(&url).await;
    large.write_all(&data).await.unwrap();
    large.shutdown().await.unwrap();
    assert!(server.await.unwrap()[0].1.as_ref() == Some(&data));
}

#[tokio::test]
async fn a_server_s_failure_is_an_error_at_shutdown() {
    let (url, server) = serve(vec!["HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"]).await;
    let mut failing = writer(&url).await;
    failing.write_all(b"data").await.unwrap();
    for _ in 0..2 {
        let error = failing.shutdown().await.unwrap_err();
        assert_eq!(error.to_string(), "HTTP status 500 Internal Server Error: PUT /object");
    }
    server.await.unwrap();
}

#[tokio::test]
async fn what_the_connection_does_not_take_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut slow = writer(&url).await;
    let piece = vec![7; HTTP_WRITER_BUFFER_SIZE];
    let (mut written, mut stuck) = (0usize, false);
    // The server accepts nothing: the kernel's buffers and the queue fill up, and then the writer waits.
    while !stuck && written < 256 << 20 {
        let write = tokio::time::timeout(Duration::from_secs(1), slow.write(&piece));
        match write.await {
            Ok(result) => written += result.unwrap(),
            Err(_) => stuck = true,
        }
    }
    assert!(stuck, "{written} bytes went nowhere");
}

#[tokio::test]
async fn a_writer_that_is_dropped_does_not_leave_a_whole_body() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = tokio::spawn(async move {
        let stream = listener.accept().await.unwrap().0;
        // From the first byte on the connection is the client's own task's.
        assert_eq!(stream.peek(&mut [0]).await.unwrap(), 1);
        stream
    });
    let mut dropped = writer(&url).await;
    dropped.write_all(b"half of it").await.unwrap();
    while !server.is_finished() {
        dropped.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut stream = BufReader::new((&mut server).await.unwrap());
    drop(dropped);
    let mut seen = Vec::new();
    let _ = stream.read_to_end(&mut seen).await;
    let seen = String::from_utf8(seen).unwrap();
    // The chunk of length 0 that ends a body is not there.
    assert!(seen.starts_with("PUT /object ") && !seen.ends_with("0\r\n\r\n"), "{seen}");
}
