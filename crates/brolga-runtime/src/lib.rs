//! Memory plan, schedule and execution of compiled Brolga programs.
