//! A TCP proxy between the controller and the API server: the network, which fails in more ways than a server does.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::server::free_port;

/// Forwards bytes. Dropping it closes everything.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// New connections are closed at once.
    refusing: bool,
    /// The listener is to end.
    ended: bool,
    connections: Vec<Connection>,
}

struct Connection {
    ends: [TcpStream; 2],
    /// Nothing passes any more, and neither end is told.
    frozen: Arc<Mutex<bool>>,
}

impl Proxy {
    /// A proxy to this port of the loopback address.
    pub fn to(target: u16) -> Proxy {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port can be listened on");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut state = lock(&shared);
                if state.ended {
                    return;
                }
                // An error in here is a connection that does not come about, which is what the controller sees.
                if let (false, Ok(client)) = (state.refusing, client)
                    && let Ok(connection) = Connection::open(client, target)
                {
                    state.connections.push(connection);
                }
            }
        });
        Proxy { port, state }
    }

    /// Breaks all connections, and each new one at once.
    pub fn cut(&self) {
        let mut state = lock(&self.state);
        state.refusing = true;
        state.connections.clear();
    }

    /// Lets new connections through.
    pub fn mend(&self) {
        lock(&self.state).refusing = false;
    }

    /// The connections that there are fall silent, as when a NAT has forgotten them: no error, no end, and no byte. New
    /// ones work.
    ///
    /// # Panics
    /// When there are none.
    pub fn freeze(&self) {
        let state = lock(&self.state);
        assert!(!state.connections.is_empty(), "the controller goes through the proxy");
        state.connections.iter().for_each(|connection| *lock(&connection.frozen) = true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        lock(&self.state).ended = true;
        // Wakes the listener.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Connection {
    fn open(client: TcpStream, target: u16) -> io::Result<Connection> {
        let server = TcpStream::connect_timeout(&([127, 0, 0, 1], target).into(), Duration::from_secs(5))?;
        let frozen = Arc::new(Mutex::new(false));
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to, frozen) = (from.try_clone()?, to.try_clone()?, frozen.clone());
            thread::spawn(move || forward(from, to, &frozen));
        }
        Ok(Connection { ends: [client, server], frozen })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
    }
}

/// Until either end closes. While it is frozen, what arrives is swallowed.
fn forward(mut from: TcpStream, mut to: TcpStream, frozen: &Mutex<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !*lock(frozen) && to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    if !*lock(frozen) {
        let _ = to.shutdown(Shutdown::Both);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
