//! The program as several processes that meet on this host, or in network namespaces that are hosts to each other. Times are those of a
//! busy machine: order and words are compared, never seconds.
#![cfg(unix)]

mod data;
mod hosts;
mod killed;
mod lost;
mod measured;
mod mistakes;
mod pretrain;
mod processes;
mod run;
mod torchrun;
