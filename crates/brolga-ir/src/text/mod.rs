//! The text form of graphs.

/// Whether this is a name for an input, a graph or a layer: letters, digits and `_ . / -`, no digit in front.
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-'))
}
