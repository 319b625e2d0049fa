//! Texts and categories as numbers, on the host.
//!
//! Elements of graphs are numbers, so what takes texts is no [`Layer`](crate::layers::Layer): it
//! has Keras's names, arguments and results, and makes arrays of texts before `fit`, or batch by
//! batch in a [`Dataset`](crate::Dataset). [`IntegerLookup`](crate::layers::IntegerLookup) and
//! [`Discretization`](crate::layers::Discretization) are both: layers, and functions of arrays.
//!
//! ```
//! use brolga_nn::preprocessing::TextVectorization;
//!
//! let texts = ["The crane dances.", "The crane sleeps, the frog dances."];
//! let vectorize = TextVectorization::new().output_sequence_length(5).adapt(&texts)?;
//! assert_eq!(vectorize.get_vocabulary(false)?, ["the", "dances", "crane", "sleeps", "frog"]);
//! let x = vectorize.apply::<i32>(&["the frog sings"])?;
//! assert_eq!(x, ndarray::arr2(&[[2, 6, 1, 0, 0]]).into_dyn());
//! # Ok::<(), brolga_nn::NnError>(())
//! ```

mod adapt;
mod encode;
mod farmhash;
mod hashing;
mod index_lookup;
mod keys;
mod text_vectorization;
mod tokenize;
mod vocabulary;

pub use encode::Code;
pub(crate) use encode::{Encoding, Mode, Numbers};
pub use hashing::{Hashing, MaskValue};
pub use index_lookup::{IndexLookup, Salt, StringLookup};
pub use keys::{AsKey, IntoKeys, Keys, Token};
pub use text_vectorization::TextVectorization;
pub use tokenize::{Ngrams, Split, Standardize};

/// As [`setters`](crate::setters::setters) for objects that have checked their vocabulary: another
/// argument lets them check it again.
macro_rules! fresh_setters {
    () => {};
    ($(#[$doc:meta])* $name:ident: into $type:ty, $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<$type>) -> Self {
            self.$name = $name.into();
            self.checked = std::sync::OnceLock::new();
            self
        }

        $crate::preprocessing::fresh_setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $name:ident: some $type:ty, $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<$type>) -> Self {
            self.$name = Some($name.into());
            self.checked = std::sync::OnceLock::new();
            self
        }

        $crate::preprocessing::fresh_setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $name:ident: opt $type:ty, $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = Some($name);
            self.checked = std::sync::OnceLock::new();
            self
        }

        $crate::preprocessing::fresh_setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $name:ident: $type:ty, $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $name;
            self.checked = std::sync::OnceLock::new();
            self
        }

        $crate::preprocessing::fresh_setters! { $($rest)* }
    };
}
pub(crate) use fresh_setters;

/// The methods of an object that is used by itself: its config, and what is made of one.
macro_rules! host {
    ($type:ident) => {
        impl $type {
            /// The arguments under Keras's names, with the vocabulary.
            ///
            /// # Errors
            /// If one of them is a function.
            pub fn get_config(&self) -> Result<$crate::registry::Value, $crate::NnError> {
                $crate::registry::Object::config(self)
            }

            /// What [`get_config`](Self::get_config), or that of Keras, gives.
            ///
            /// # Errors
            /// If an argument is unknown or malformed.
            pub fn from_config(config: &$crate::registry::Value) -> Result<Self, $crate::NnError> {
                $crate::registry::read(stringify!($type), config)
            }
        }
    };
}
pub(crate) use host;
