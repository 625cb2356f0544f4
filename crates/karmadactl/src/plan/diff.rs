//! The unified diff of two texts.

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// One step from the old lines to the new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Keep,
    Remove,
    Add,
}

/// The unified diff, with the names of both sides; empty when the texts are equal.
pub(crate) fn unified(old_name: &str, old: &str, new_name: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    if old == new {
        return String::new();
    }
    let steps = steps(&old, &new);
    let mut text = format!("--- {old_name}\n+++ {new_name}\n");
    for (from, to) in hunks(&steps) {
        hunk(&steps, from, to, &old, &new, &mut text);
    }
    text
}

/// A shortest way from the old lines to the new ones. Manifests have some hundred lines, of which few
/// change: what is equal at both ends is set aside, and the middle is a plain table.
fn steps(old: &[&str], new: &[&str]) -> Vec<Step> {
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[prefix..], &new[prefix..]);
    let suffix = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - suffix], &new[..new.len() - suffix]);
    // common[i][j]: how many lines of old[i..] and new[j..] can be kept.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let mut steps = vec![Step::Keep; prefix];
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let step = if i < old.len() && j < new.len() && old[i] == new[j] {
            Step::Keep
        } else if i < old.len() && (j == new.len() || common[i + 1][j] >= common[i][j + 1]) {
            Step::Remove
        } else {
            Step::Add
        };
        i += usize::from(step != Step::Add);
        j += usize::from(step != Step::Remove);
        steps.push(step);
    }
    steps.extend(std::iter::repeat_n(Step::Keep, suffix));
    steps
}

/// The ranges of steps that are shown: every change with its surroundings, joined where they touch.
fn hunks(steps: &[Step]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (at, _) in steps.iter().enumerate().filter(|(_, step)| **step != Step::Keep) {
        let (from, to) = (at.saturating_sub(CONTEXT), (at + 1 + CONTEXT).min(steps.len()));
        match hunks.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => hunks.push((from, to)),
        }
    }
    hunks
}

fn hunk(steps: &[Step], from: usize, to: usize, old: &[&str], new: &[&str], text: &mut String) {
    let count = |steps: &[Step], other: Step| steps.iter().filter(|step| **step != other).count();
    let (mut i, mut j) = (count(&steps[..from], Step::Add), count(&steps[..from], Step::Remove));
    let (old_len, new_len) = (count(&steps[from..to], Step::Add), count(&steps[from..to], Step::Remove));
    let start = |at: usize, len: usize| if len == 0 { at } else { at + 1 };
    text.push_str(&format!("@@ -{},{old_len} +{},{new_len} @@\n", start(i, old_len), start(j, new_len)));
    for step in &steps[from..to] {
        let (mark, line) = match step {
            Step::Keep => (' ', old[i]),
            Step::Remove => ('-', old[i]),
            Step::Add => ('+', new[j]),
        };
        i += usize::from(*step != Step::Add);
        j += usize::from(*step != Step::Remove);
        text.push(mark);
        text.push_str(line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn changes_are_shown_with_their_surroundings() {
        let old: Vec<String> = (1..=20).map(|n| format!("line {n}")).collect();
        let mut new = old.clone();
        new[1] = "second".into();
        new.remove(17);
        new.insert(10, "between".into());
        let text = unified("a", &old.join("\n"), "b", &new.join("\n"));
        expect![[r#"
            --- a
            +++ b
            @@ -1,5 +1,5 @@
             line 1
            -line 2
            +second
             line 3
             line 4
             line 5
            @@ -8,6 +8,7 @@
             line 8
             line 9
             line 10
            +between
             line 11
             line 12
             line 13
            @@ -15,6 +16,5 @@
             line 15
             line 16
             line 17
            -line 18
             line 19
             line 20
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn a_text_that_comes_or_goes_is_one_hunk() {
        expect![[r#"
            --- /dev/null
            +++ b
            @@ -0,0 +1,2 @@
            +one
            +two
        "#]]
        .assert_eq(&unified("/dev/null", "", "b", "one\ntwo\n"));
        expect![[r#"
            --- a
            +++ /dev/null
            @@ -1,1 +0,0 @@
            -one
        "#]]
        .assert_eq(&unified("a", "one\n", "/dev/null", ""));
        assert_eq!(unified("a", "same\n", "b", "same\n"), "");
    }

    #[test]
    fn applying_the_steps_gives_the_new_text() {
        let mut seed = 7_u32;
        let mut random = |bound: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % bound
        };
        for round in 0..200 {
            let words = ["a", "b", "c"];
            let mut text = |len: u32| (0..len).map(|_| words[random(3) as usize]).collect::<Vec<_>>();
            let (old, new) = (text(round % 9), text(round % 7));
            let (mut i, mut made) = (0, Vec::new());
            let mut added = new.iter().copied();
            for step in steps(&old, &new) {
                match step {
                    Step::Keep => made.push((old[i], added.next().unwrap()).0),
                    Step::Remove => {}
                    Step::Add => made.push(added.next().unwrap()),
                }
                i += usize::from(step != Step::Add);
            }
            assert_eq!((made, i), (new.clone(), old.len()), "round {round}");
        }
    }
}
