//! A node in miniature, hosted.

use std::fs;

use restante_interface::{Reply, Request};

use super::*;
use crate::control::client::call;
use crate::home::{Home, HomeError};

fn home(folder: &tempfile::TempDir) -> Home {
    let created = Home::create(&folder.path().join("home"), |home| {
        fs::write(home.unlock_file(), "x").unwrap();
        Ok::<_, HomeError>(())
    });
    created.unwrap().0
}

#[tokio::test]
async fn commands_reach_the_node_and_stop_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let home = home(&folder);
    let lock = home.lock().unwrap();
    let commands = async {
        let asked = call(&home, Request::Status, |_| {}).await.unwrap();
        assert_eq!(asked, Reply::Done);
        call(&home, Request::Stop, |_| {}).await.unwrap()
    };
    let hosting = host(&lock, async |mut calls, _events, mut stop| {
        let call: ControlCall = calls.recv().await.unwrap();
        assert_eq!(call.request, Request::Status);
        call.answer.finish(Ok(Reply::Done));
        stop.wait_for(|stop| *stop).await.unwrap();
        Ok(())
    });
    let (outcome, stopped) = tokio::join!(hosting, commands);
    assert_eq!(outcome, Ok(()));
    assert_eq!(stopped, Reply::Done);
    assert!(!home.control_socket().exists());
}

#[tokio::test]
async fn a_node_that_fails_takes_its_socket_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let home = home(&folder);
    let lock = home.lock().unwrap();
    let failure = Failure::usage("the pass phrase is wrong", "try again");
    let outcome = host(&lock, async |_calls, _events, _stop| Err(failure.clone())).await;
    assert_eq!(outcome, Err(failure));
    assert!(!home.control_socket().exists());
}
