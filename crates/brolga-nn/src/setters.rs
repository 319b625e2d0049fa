//! The methods by which objects are given arguments.

/// Methods that set the fields of their names: `name: Type` takes the type itself, `name: into
/// Type` what [can be given](crate::registry::IntoArgument) as one, `name: some Type` what converts
/// into it and `name: opt Type` the type itself, where there is none by default.
macro_rules! setters {
    () => {};
    ($(#[$doc:meta])* $name:ident: into $type:ty, $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name<Form>(
            mut self,
            $name: impl crate::registry::IntoArgument<$type, Form>,
        ) -> Self {
            self.$name = $name.into_argument();
            self
        }

        $crate::setters::setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $name:ident: some $type:ty, $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<$type>) -> Self {
            self.$name = Some($name.into());
            self
        }

        $crate::setters::setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $name:ident: opt $type:ty, $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = Some($name);
            self
        }

        $crate::setters::setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $name:ident: $type:ty, $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $name;
            self
        }

        $crate::setters::setters! { $($rest)* }
    };
}
pub(crate) use setters;
