use crate::{Chunk, Limits, Machine};

fn run(source: &str) -> String {
    let chunk = match Chunk::compile("test", source) {
        Ok(chunk) => chunk,
        Err(error) => return error.to_string(),
    };
    match Machine::new(Limits::default()).run(&chunk) {
        Ok(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        Err(error) => format!("error {error}"),
    }
}

#[test]
fn arithmetic_follows_precedence() {
    assert_eq!(run("return 1+2*3, 2^3^2, -2^2, 7%3, -7%3, 10/4, 'a'..1 ..'b'"), "7,512,-4,1,2,2.5,a1b");
}

#[test]
fn closures_share_variables() {
    assert_eq!(run("local n = 0 local function f() n = n + 1 return n end f() f() return f()"), "3");
}
