//! The notation of the table: one definition a line, `name|kinds|node`.
//!
//! ```text
//! node    shape attribute*
//! shape   (name:node name!:node …)   a struct; ! marks a required field
//!         [node]  {node}  @name      a list, a map with free keys, another definition
//!         string byte date-time quantity int-or-string boolean
//!         integer int32 int64 number double object any
//! attribute
//!         ~set  ~map:key,key  ~atomic   x-kubernetes-list-type and -list-map-keys
//!         &atomic                       x-kubernetes-map-type
//!         %merge,retainKeys  ^key       x-kubernetes-patch-strategy and -patch-merge-key
//!         ?["a","b"]  =json             enum and default
//! ```
//!
//! `quantity` and `int-or-string` are what OpenAPI can only paraphrase.

use serde_json::Value;

/// One node of a definition, borrowing from the table.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) shape: Shape<'a>,
    pub(super) list_type: Option<&'a str>,
    pub(super) list_map_keys: Vec<&'a str>,
    pub(super) map_type: Option<&'a str>,
    pub(super) strategy: Option<&'a str>,
    pub(super) merge_key: Option<&'a str>,
    pub(super) choices: Option<Value>,
    pub(super) default: Option<Value>,
}

/// What a node is made of.
#[derive(Debug, Clone)]
pub(super) enum Shape<'a> {
    /// A scalar or an untyped node, by the table's word for it.
    Word(&'a str),
    /// Another definition.
    Ref(&'a str),
    /// A list of nodes.
    List(Box<Node<'a>>),
    /// A map with free keys.
    Map(Box<Node<'a>>),
    /// Known fields.
    Struct(Vec<Field<'a>>),
}

/// A field of a struct.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) required: bool,
    pub(super) node: Node<'a>,
}

/// Reads the third part of a line; nothing when it does not follow the notation.
pub(super) fn read(text: &str) -> Option<Node<'_>> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.node()?;
    (reader.at == text.len()).then_some(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn word(&mut self) -> &'a str {
        self.until(|byte| b" )]}~&%^?=".contains(&byte))
    }

    fn node(&mut self) -> Option<Node<'a>> {
        let shape = if self.eat(b'(') {
            Shape::Struct(self.fields()?)
        } else if self.eat(b'[') {
            let items = self.node()?;
            self.eat(b']').then_some(Shape::List(Box::new(items)))?
        } else if self.eat(b'{') {
            let values = self.node()?;
            self.eat(b'}').then_some(Shape::Map(Box::new(values)))?
        } else if self.eat(b'@') {
            Shape::Ref(self.word())
        } else {
            Some(self.word()).filter(|word| !word.is_empty()).map(Shape::Word)?
        };
        self.attributes(shape)
    }

    fn fields(&mut self) -> Option<Vec<Field<'a>>> {
        let mut fields = Vec::new();
        loop {
            let name = self.until(|byte| b"!:".contains(&byte));
            let required = self.eat(b'!');
            if !self.eat(b':') {
                return None;
            }
            fields.push(Field { name, required, node: self.node()? });
            if self.eat(b')') {
                return Some(fields);
            }
            if !self.eat(b' ') {
                return None;
            }
        }
    }

    fn attributes(&mut self, shape: Shape<'a>) -> Option<Node<'a>> {
        let mut node = Node {
            shape,
            list_type: None,
            list_map_keys: Vec::new(),
            map_type: None,
            strategy: None,
            merge_key: None,
            choices: None,
            default: None,
        };
        loop {
            match self.peek() {
                b'~' => {
                    let mut words = self.attribute().split([':', ',']);
                    node.list_type = words.next();
                    node.list_map_keys = words.collect();
                }
                b'&' => node.map_type = Some(self.attribute()),
                b'%' => node.strategy = Some(self.attribute()),
                b'^' => node.merge_key = Some(self.attribute()),
                b'?' => node.choices = Some(self.json()?),
                b'=' => node.default = Some(self.json()?),
                _ => return Some(node),
            }
        }
    }

    fn attribute(&mut self) -> &'a str {
        self.at += 1;
        self.word()
    }

    /// The JSON value after the sign at the cursor.
    fn json(&mut self) -> Option<Value> {
        self.at += 1;
        let rest = &self.text[self.at..];
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        let mut length = rest.len();
        for (index, byte) in rest.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b' ' | b')' | b']' | b'}' | b'?' | b'=' if depth == 0 => {
                    length = index;
                    break;
                }
                _ => {}
            }
        }
        self.at += length;
        serde_json::from_str(&rest[..length]).ok()
    }
}
