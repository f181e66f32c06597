//! Which blocks a cache holds, under several policies of eviction; no data.
//!
//! Blocks live in a slab and are linked into two lists. Room is counted in blocks and never exceeded.

use crate::index::{Kind, key};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The block of a space, by number.
pub(crate) type Block = (u32, u64);

/// How a cache chooses what to evict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Least recently used.
    #[default]
    Lru,
    /// First in, first out.
    Fifo,
    /// A small queue of newcomers, a main queue, and a memory of what left the small one (Yang et al., SOSP 2023).
    S3Fifo,
    /// First in, first out, with a hand that passes over what was used since (Zhang et al., NSDI 2024).
    Sieve,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lru, Self::Fifo, Self::S3Fifo, Self::Sieve];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::Fifo => "fifo",
            Self::S3Fifo => "s3fifo",
            Self::Sieve => "sieve",
        }
    }

    /// The policy of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// Keys are mixed already; the hash passes them on, the same in every run.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = key(0, Kind::Start, self.0 ^ value);
    }
}

type Map<V> = HashMap<Block, V, BuildHasherDefault<Mixed>>;

const NONE: u32 = u32::MAX;
/// The list of newcomers, and the only one of policies with one list.
const FIRST: usize = 0;
const MAIN: usize = 1;
/// The small queue's part of the room.
const SMALL_PART: usize = 10;
const FREQUENCY_MAX: u8 = 3;

struct Node<M> {
    block: Block,
    mark: M,
    newer: u32,
    older: u32,
    list: u8,
    frequency: u8,
}

#[derive(Clone, Copy)]
struct List {
    newest: u32,
    oldest: u32,
    len: usize,
}

/// Blocks with a mark each.
pub(crate) struct Cache<M> {
    policy: Policy,
    room: usize,
    map: Map<u32>,
    nodes: Vec<Node<M>>,
    free: Vec<u32>,
    lists: [List; 2],
    hand: u32,
    /// Blocks that left the small queue unused, with the number of their departure.
    departed: Map<u64>,
    departures: u64,
}

impl<M: Copy> Cache<M> {
    pub(crate) fn new(policy: Policy, room: usize) -> Self {
        let empty = List { newest: NONE, oldest: NONE, len: 0 };
        Self {
            policy,
            // Slots have 32 bits.
            room: room.min(NONE as usize - 1),
            map: Map::default(),
            nodes: Vec::new(),
            free: Vec::new(),
            lists: [empty; 2],
            hand: NONE,
            departed: Map::default(),
            departures: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn peek(&self, block: Block) -> Option<M> {
        self.map.get(&block).map(|&at| self.nodes[at as usize].mark)
    }

    /// The mark of a block, and its place in the order renewed. `first` says that it was there ahead of its first use, which is
    /// no sign that it will be used again.
    pub(crate) fn touch(&mut self, block: Block, first: bool) -> Option<&mut M> {
        let at = *self.map.get(&block)?;
        if self.policy == Policy::Lru {
            self.unlink(at);
            self.link(at, FIRST);
        }
        let node = &mut self.nodes[at as usize];
        if !first {
            node.frequency = (node.frequency + 1).min(FREQUENCY_MAX);
        }
        Some(&mut node.mark)
    }

    /// Puts a block in that is not there; returns what had to leave. Without room it leaves at once.
    pub(crate) fn insert(&mut self, block: Block, mark: M) -> Option<(Block, M)> {
        if self.room == 0 {
            return Some((block, mark));
        }
        let gone = if self.map.len() >= self.room { self.evict() } else { None };
        let list = match self.policy {
            Policy::S3Fifo if self.departed.remove(&block).is_some() => MAIN,
            _ => FIRST,
        };
        let node = Node { block, mark, newer: NONE, older: NONE, list: 0, frequency: 0 };
        let at = if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            at
        } else {
            self.nodes.push(node);
            self.nodes.len() as u32 - 1
        };
        self.map.insert(block, at);
        self.link(at, list);
        gone
    }

    /// The marks of all blocks, in no order.
    pub(crate) fn marks(&self) -> impl Iterator<Item = M> + '_ {
        self.map.values().map(|&at| self.nodes[at as usize].mark)
    }

    fn evict(&mut self) -> Option<(Block, M)> {
        let at = match self.policy {
            Policy::Lru | Policy::Fifo => self.lists[FIRST].oldest,
            Policy::Sieve => self.sieve(),
            Policy::S3Fifo => self.s3_fifo(),
        };
        (at != NONE).then(|| self.take(at))
    }

    fn sieve(&mut self) -> u32 {
        let mut at = if self.hand == NONE { self.lists[FIRST].oldest } else { self.hand };
        // Twice around at most: the first time takes away every mark of use.
        while at != NONE && self.nodes[at as usize].frequency > 0 {
            self.nodes[at as usize].frequency = 0;
            let newer = self.nodes[at as usize].newer;
            at = if newer == NONE { self.lists[FIRST].oldest } else { newer };
        }
        if at != NONE {
            self.hand = self.nodes[at as usize].newer;
        }
        at
    }

    fn s3_fifo(&mut self) -> u32 {
        let small = (self.room / SMALL_PART).max(1);
        loop {
            if self.lists[FIRST].len > small || self.lists[MAIN].len == 0 {
                let at = self.lists[FIRST].oldest;
                if self.nodes[at as usize].frequency <= 1 && self.lists[FIRST].len > 0 {
                    self.depart(self.nodes[at as usize].block);
                    return at;
                }
                self.unlink(at);
                self.nodes[at as usize].frequency = 0;
                self.link(at, MAIN);
            } else {
                let at = self.lists[MAIN].oldest;
                let node = &mut self.nodes[at as usize];
                if node.frequency == 0 {
                    return at;
                }
                node.frequency -= 1;
                self.unlink(at);
                self.link(at, MAIN);
            }
        }
    }

    /// Remembers as many departures as the main queue has room.
    fn depart(&mut self, block: Block) {
        self.departures += 1;
        self.departed.insert(block, self.departures);
        if self.departed.len() > 2 * self.room {
            let oldest = self.departures - self.room as u64;
            self.departed.retain(|_, &mut at| at > oldest);
        }
    }

    fn take(&mut self, at: u32) -> (Block, M) {
        if self.hand == at {
            self.hand = self.nodes[at as usize].newer;
        }
        self.unlink(at);
        self.free.push(at);
        let node = &self.nodes[at as usize];
        self.map.remove(&node.block);
        (node.block, node.mark)
    }

    fn link(&mut self, at: u32, list: usize) {
        let newest = self.lists[list].newest;
        let node = &mut self.nodes[at as usize];
        (node.list, node.older, node.newer) = (list as u8, newest, NONE);
        if newest == NONE {
            self.lists[list].oldest = at;
        } else {
            self.nodes[newest as usize].newer = at;
        }
        self.lists[list].newest = at;
        self.lists[list].len += 1;
    }

    fn unlink(&mut self, at: u32) {
        let (list, newer, older) = {
            let node = &self.nodes[at as usize];
            (usize::from(node.list), node.newer, node.older)
        };
        if newer == NONE {
            self.lists[list].newest = older;
        } else {
            self.nodes[newer as usize].older = older;
        }
        if older == NONE {
            self.lists[list].oldest = newer;
        } else {
            self.nodes[older as usize].newer = newer;
        }
        self.lists[list].len -= 1;
    }
}
