//! What can be put into a node with parts.

use super::node::{Code, Link, Node, Progress, Table, Text, Tree, text};

/// Some nodes: one, a list or an array of some, an option of some, or a tuple of any of these. A text counts as a paragraph.
pub trait Nodes {
    /// Puts them behind others.
    fn put(self, behind: &mut Vec<Node>);
}

impl<N: Nodes> Nodes for Vec<N> {
    fn put(self, behind: &mut Vec<Node>) {
        self.into_iter().for_each(|nodes| nodes.put(behind));
    }
}

impl<N: Nodes, const COUNT: usize> Nodes for [N; COUNT] {
    fn put(self, behind: &mut Vec<Node>) {
        self.into_iter().for_each(|nodes| nodes.put(behind));
    }
}

impl<N: Nodes> Nodes for Option<N> {
    fn put(self, behind: &mut Vec<Node>) {
        if let Some(nodes) = self {
            nodes.put(behind);
        }
    }
}

impl Nodes for &str {
    fn put(self, behind: &mut Vec<Node>) {
        text(self).put(behind);
    }
}

impl Nodes for String {
    fn put(self, behind: &mut Vec<Node>) {
        text(self).put(behind);
    }
}

macro_rules! one_node {
    ($($kind:ty),+) => {$(
        impl Nodes for $kind {
            fn put(self, behind: &mut Vec<Node>) {
                behind.push(self.into());
            }
        }
    )+};
}

one_node!(Node, Text, Code, Link, Tree, Table, Progress);

macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        impl<$first: Nodes, $($rest: Nodes),*> Nodes for ($first, $($rest,)*) {
            #[expect(non_snake_case, reason = "the names of the types are those of the parts")]
            fn put(self, behind: &mut Vec<Node>) {
                let ($first, $($rest,)*) = self;
                $first.put(behind);
                $($rest.put(behind);)*
            }
        }
        tuples!($($rest)*);
    };
    () => {
        impl Nodes for () {
            fn put(self, _behind: &mut Vec<Node>) {}
        }
    };
}

tuples!(A B C D E F G H I J K L);
