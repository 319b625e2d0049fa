//! What a call of a layer is given besides its inputs: Keras's keyword arguments.

use std::collections::BTreeMap;

use brolga_ir::spelling::nearest;
use brolga_ir::{Mistake, Var};
use serde_json::Value;

use crate::layers::shape_of;
use crate::trace::{Call, Context};

/// The keyword arguments of a call, by name: tensors of type `T`, and values such as `true`.
#[derive(Debug, Clone, PartialEq)]
pub struct Keywords<T = Var>(BTreeMap<String, Keyword<T>>);

/// A keyword argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Keyword<T> {
    /// A number, a truth value, a word.
    Value(Value),
    /// A tensor.
    Tensor(T),
    /// Tensors, of which some may be left out.
    Tensors(Vec<Option<T>>),
}

impl<T> Keyword<T> {
    /// The tensors in it.
    pub fn tensors(&self) -> impl Iterator<Item = &T> {
        let slice = match self {
            Self::Tensor(tensor) => (Some(tensor), &[][..]),
            Self::Tensors(tensors) => (None, &tensors[..]),
            Self::Value(_) => (None, &[][..]),
        };
        slice.0.into_iter().chain(slice.1.iter().flatten())
    }
}

impl<T> Default for Keywords<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Keywords<T> {
    /// Sets an argument.
    pub fn set(&mut self, name: &str, keyword: Keyword<T>) {
        self.0.insert(name.to_owned(), keyword);
    }

    /// The same with a value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, Keyword::Value(value.into()));
        self
    }

    /// The same with a tensor.
    #[must_use]
    pub fn with_tensor(mut self, name: &str, tensor: T) -> Self {
        self.set(name, Keyword::Tensor(tensor));
        self
    }

    /// The argument of this name.
    pub fn get(&self, name: &str) -> Option<&Keyword<T>> {
        self.0.get(name)
    }

    /// All arguments, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Keyword<T>)> {
        self.0.iter().map(|(name, keyword)| (name.as_str(), keyword))
    }

    /// All tensors, in the order of the names.
    pub fn tensors(&self) -> impl Iterator<Item = &T> {
        self.0.values().flat_map(Keyword::tensors)
    }

    /// The same arguments with another tensor in place of each.
    pub(crate) fn map<U, E>(
        &self,
        mut other: impl FnMut(&T) -> Result<U, E>,
    ) -> Result<Keywords<U>, E> {
        let mut mapped = Keywords::default();
        for (name, keyword) in self.iter() {
            let keyword = match keyword {
                Keyword::Value(value) => Keyword::Value(value.clone()),
                Keyword::Tensor(tensor) => Keyword::Tensor(other(tensor)?),
                Keyword::Tensors(tensors) => {
                    let each = tensors.iter().map(|t| t.as_ref().map(&mut other).transpose());
                    Keyword::Tensors(each.collect::<Result<_, _>>()?)
                }
            };
            mapped.set(name, keyword);
        }
        Ok(mapped)
    }

    /// Takes all tensors out.
    pub(crate) fn take_tensors(&mut self) -> Vec<T> {
        let taken = std::mem::take(&mut self.0).into_values().flat_map(|keyword| match keyword {
            Keyword::Value(_) => vec![],
            Keyword::Tensor(tensor) => vec![tensor],
            Keyword::Tensors(tensors) => tensors.into_iter().flatten().collect(),
        });
        taken.collect()
    }
}

/// What a layer is called on.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The inputs.
    pub inputs: &'a [Var],
    /// The keyword arguments, if there are any.
    pub keywords: Option<&'a Keywords>,
}

impl<'a> Given<'a> {
    /// Inputs and keyword arguments.
    pub fn new(inputs: &'a [Var], keywords: &'a Keywords) -> Self {
        Self { inputs, keywords: Some(keywords) }
    }
}

impl<'a> From<&'a [Var]> for Given<'a> {
    fn from(inputs: &'a [Var]) -> Self {
        Self { inputs, keywords: None }
    }
}

impl<'a> From<&'a Vec<Var>> for Given<'a> {
    fn from(inputs: &'a Vec<Var>) -> Self {
        inputs.as_slice().into()
    }
}

impl<'a, const N: usize> From<&'a [Var; N]> for Given<'a> {
    fn from(inputs: &'a [Var; N]) -> Self {
        inputs.as_slice().into()
    }
}

/// The arguments that calls of all layers may have.
const OF_ALL: [&str; 2] = ["mask", "training"];

/// Fails if a call has an argument that is neither one of these nor one of [`OF_ALL`].
///
/// # Errors
/// The first such argument.
pub(crate) fn check_keywords(
    class: &str,
    own: &[&str],
    keywords: &Keywords,
) -> Result<(), Mistake> {
    let known = || OF_ALL.iter().chain(own).copied();
    let Some((name, _)) = keywords.iter().find(|(name, _)| known().all(|known| known != *name))
    else {
        return Ok(());
    };
    let message = format!("{class} is called with `{name}`, which it does not take");
    let help = match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it takes {}", known().collect::<Vec<_>>().join(", ")),
    };
    Err(Mistake::new(message).help(help))
}

impl Context {
    /// The inputs of a call with the masks that it gives them. From here on layers behave as the
    /// argument `training` says; the second result is how they did before.
    ///
    /// # Errors
    /// If a mask does not fit, or layers should be in training where the model is not.
    pub(crate) fn enter_call(
        &mut self,
        inputs: &[Var],
        keywords: &Keywords,
    ) -> Result<(Vec<Var>, bool), Mistake> {
        let inputs = self.with_given_masks(inputs, keywords)?;
        let training = self.is_training();
        match keywords.get("training") {
            None | Some(Keyword::Value(Value::Null)) => {}
            Some(Keyword::Value(Value::Bool(asked))) if !asked || training => {
                self.set_training(*asked);
            }
            Some(Keyword::Value(Value::Bool(_))) => {
                let message = "a call with `training` outside of training";
                let help = "leave it out: layers are in training where the model is; false holds for all programs";
                return Err(Mistake::new(message).help(help));
            }
            Some(_) => {
                let message = "the argument `training` of the call is no truth value";
                return Err(Mistake::new(message).help("`training` is true or false"));
            }
        }
        Ok((inputs, training))
    }

    /// As [`Context::enter_call`], for a model that is called as a layer.
    ///
    /// # Errors
    /// As [`Context::enter_call`], or if there is an argument that models do not take.
    pub(crate) fn given_to_model(
        &mut self,
        Given { inputs, keywords }: Given<'_>,
    ) -> Result<(Vec<Var>, bool), Mistake> {
        match keywords {
            Some(keywords) => {
                check_keywords("a model", &[], keywords)?;
                self.enter_call(inputs, keywords)
            }
            None => Ok((inputs.to_vec(), self.is_training())),
        }
    }
}

impl Call<'_> {
    /// Whether the call has this argument as `true`: Keras's `use_causal_mask=True`.
    ///
    /// A mistake if it is something else than a truth value.
    #[track_caller]
    pub fn flag(&self, name: &str) -> bool {
        match self.keywords().get(name) {
            None | Some(Keyword::Value(Value::Null)) => false,
            Some(Keyword::Value(Value::Bool(flag))) => *flag,
            Some(given) => {
                self.fail_keyword(name, "is true or false", given);
                false
            }
        }
    }

    /// The whole number that the call has as this argument: Keras's `start_index=3`.
    ///
    /// A mistake if it is something else than a number from 0 on; `None` if it is a tensor.
    #[track_caller]
    pub fn count(&self, name: &str) -> Option<usize> {
        match self.keywords().get(name)? {
            Keyword::Tensor(_) | Keyword::Value(Value::Null) => None,
            given => {
                let count = match given {
                    Keyword::Value(value) => value.as_u64().and_then(|n| usize::try_from(n).ok()),
                    _ => None,
                };
                if count.is_none() {
                    self.fail_keyword(name, "is a whole number from 0 on, or a tensor", given);
                }
                count
            }
        }
    }

    /// The tensor that the call has as this argument: Keras's `attention_mask=mask`.
    ///
    /// A mistake if it is a list; `None` if it is a value.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Option<Var> {
        match self.keywords().get(name)? {
            Keyword::Tensor(tensor) => Some(tensor.clone()),
            Keyword::Value(_) => None,
            given => {
                self.fail_keyword(name, "is one tensor", given);
                None
            }
        }
    }

    /// The tensors that the call has as this argument, one or a list: Keras's
    /// `initial_state=[h, c]`.
    ///
    /// A mistake if it is something else.
    #[track_caller]
    pub fn tensors(&self, name: &str) -> Vec<Option<Var>> {
        match self.keywords().get(name) {
            None | Some(Keyword::Value(Value::Null)) => vec![],
            Some(Keyword::Tensor(tensor)) => vec![Some(tensor.clone())],
            Some(Keyword::Tensors(tensors)) => tensors.clone(),
            Some(given) => {
                self.fail_keyword(name, "is one tensor or a list of them", given);
                vec![]
            }
        }
    }

    #[track_caller]
    fn fail_keyword(&self, name: &str, expected: &str, given: &Keyword<Var>) {
        let given = match given {
            Keyword::Value(value) => value.to_string(),
            Keyword::Tensor(tensor) => shape_of(tensor),
            Keyword::Tensors(tensors) => format!("a list of {}", tensors.len()),
        };
        let message = format!("the argument `{name}` of the call is {given}");
        self.tracer().fail(Mistake::new(message).help(format!("`{name}` {expected}")));
    }
}
