//! How long bytes take, and that they arrive as they were sent.

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use proptest::prelude::*;

use super::*;

#[test]
fn a_dial_takes_a_round_trip_and_its_listener_half_of_one_more() {
    let times = run(1, || async {
        let internet = internet(1, region(30));
        let slow = Link {
            latency_ms: 10,
            ..Link::default()
        };
        let (first, second) = (
            add_public(&internet, 1),
            add(&internet, 2, slow, Nat::Public),
        );
        let mut here = Process::start(&internet, first);
        let mut there = Process::start(&internet, second);
        let address = there.listen(4001).await;
        let began = Instant::now();
        let dial = async {
            let dialled = here.dial(&address).await;
            (millis(began), dialled)
        };
        let accept = async {
            let accepted = there.accept().await;
            (millis(began), accepted)
        };
        let ((dialled_ms, dialled), (accepted_ms, accepted)) = join(dial, accept).await;
        let (mut dialled, mut accepted) = (dialled.unwrap().1, accepted.2);
        let echoed = Instant::now();
        let echo = async {
            let mut stream = open(&mut dialled).await;
            stream.write_all(b"here").await.unwrap();
            stream.read_exact(&mut [0; 4]).await.unwrap();
            millis(echoed)
        };
        let answer = async {
            let mut stream = take(&mut accepted).await.unwrap();
            stream.read_exact(&mut [0; 4]).await.unwrap();
            stream.write_all(b"here").await.unwrap();
        };
        let (echo_ms, ()) = join(echo, answer).await;
        (dialled_ms, accepted_ms, echo_ms)
    });
    assert_eq!(times, (80, 120, 80));
}

/// Sends bytes over a link and returns how long the last took, after the first.
fn transfer_ms(bytes: usize, up: Link, down: Link, options: Options) -> (u64, Stats) {
    run(2, move || async move {
        let mut pair = pair(internet(2, options), [up, down]).await;
        let (mut here, mut there) = stream(&mut pair).await;
        // Until the first byte is acknowledged.
        sleep_ms(500).await;
        let began = Instant::now();
        let send = async {
            let data: Vec<u8> = pattern(bytes);
            here.write_all(&data).await.unwrap();
            here.close().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = join(send, there.read_to_end(&mut received)).await;
        read.unwrap();
        assert!(
            received == pattern(bytes),
            "what arrived is not what was sent"
        );
        (millis(began), pair.internet.stats())
    })
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn the_slower_of_two_lines_decides_how_long_much_takes() {
    let rate = |up_bytes_per_s, down_bytes_per_s| Link {
        up_bytes_per_s,
        down_bytes_per_s,
        ..Link::default()
    };
    let (fast, slow) = (rate(100_000_000, 100_000_000), rate(1_000_000, 1_000_000));
    // 4 MB and 5 % of headers at 1 MB/s; the window needs some round trips of 40 ms to open.
    for (up, down) in [(slow, fast), (fast, slow), (slow, slow)] {
        let (ms, _) = transfer_ms(4_000_000, up, down, region(20));
        assert!((4_200..4_700).contains(&ms), "{ms} ms");
    }
}

#[test]
fn the_window_of_a_stream_limits_what_a_round_trip_carries() {
    // 512 KiB per 200 ms are 2.6 MB/s, after the congestion window has opened.
    let none = Link::default();
    let (ms, _) = transfer_ms(8 << 20, none, none, region(100));
    assert!((3_000..5_000).contains(&ms), "{ms} ms");
}

#[test]
fn a_message_of_the_first_window_takes_one_way_and_a_larger_one_more_round_trips() {
    let none = Link::default();
    let (small_ms, _) = transfer_ms(8_000, none, none, region(50));
    let (large_ms, _) = transfer_ms(64 << 10, none, none, region(50));
    assert_eq!((small_ms, large_ms), (50, 250));
}

#[test]
fn a_bulk_transfer_hardly_delays_others_on_the_same_line() {
    let slowest_ms = run(3, || async {
        let slow = Link {
            up_bytes_per_s: 1_000_000,
            ..Link::default()
        };
        let mut pair = pair(internet(3, region(20)), [slow, Link::default()]).await;
        let (mut bulk, mut sink) = stream(&mut pair).await;
        let (mut here, mut there) = stream(&mut pair).await;
        tokio::spawn(async move { bulk.write_all(&pattern(8_000_000)).await });
        tokio::spawn(async move { sink.read_to_end(&mut Vec::new()).await });
        let mut slowest_ms = 0;
        for _ in 0..20 {
            sleep_ms(200).await;
            let began = Instant::now();
            here.write_all(&[1]).await.unwrap();
            there.read_exact(&mut [0]).await.unwrap();
            slowest_ms = slowest_ms.max(millis(began));
        }
        slowest_ms
    });
    assert!((25..600).contains(&slowest_ms), "{slowest_ms} ms");
}

#[test]
fn loss_delays_and_is_counted_but_nothing_is_lost() {
    let none = Link::default();
    let lossy = Options {
        loss_ppm: 50_000,
        jitter_ppm: 200_000,
        ..region(20)
    };
    let (clean_ms, clean) = transfer_ms(1_000_000, none, none, region(20));
    let (lossy_ms, lossy) = transfer_ms(1_000_000, none, none, lossy);
    assert_eq!((clean.lost, clean.overtaken), (0, 0));
    let expected = lossy.packets / 20;
    assert!(
        (expected / 2..expected * 2).contains(&lossy.lost),
        "{lossy:?}"
    );
    assert!(lossy_ms > 2 * clean_ms, "{lossy_ms} and {clean_ms} ms");
    assert!(lossy.overtaken > 0);
}

#[test]
fn weather_tells_what_it_changed() {
    let (nothing, effect, stats) = run(4, || async {
        let mut pair = pair(internet(4, region(20)), [Link::default(); 2]).await;
        let nothing = pair.internet.set_weather(Weather {
            loss_ppm: 100_000,
            duplicate_ppm: 500_000,
            latency_ms: 300,
        });
        let (mut here, mut there) = stream(&mut pair).await;
        let began = Instant::now();
        here.write_all(&pattern(10_000)).await.unwrap();
        there.read_exact(&mut [0; 10_000]).await.unwrap();
        assert!(millis(began) >= 320);
        let effect = pair.internet.set_weather(Weather::default());
        (nothing, effect, pair.internet.drain_stats())
    });
    assert_eq!(nothing, WeatherEffect::default());
    assert!(effect.lost > 0 && effect.lost == stats.lost);
    assert!(effect.duplicated > 0 && effect.duplicated == stats.duplicated);
    assert!(effect.slowed > 0);
}

#[test]
fn a_writer_without_a_reader_is_stopped_at_the_window() {
    run(5, || async {
        let mut pair = pair(internet(5, region(10)), [Link::default(); 2]).await;
        let mut streams = Vec::new();
        for _ in 0..6 {
            streams.push(stream(&mut pair).await);
        }
        let mut total = 0;
        for (here, _) in &mut streams {
            let write = async {
                loop {
                    total += here.write(&[7; 10_000]).await.unwrap();
                }
            };
            let stuck = tokio::time::timeout(Duration::from_secs(10), write).await;
            assert!(stuck.is_err());
        }
        // One byte went before, on each stream.
        assert_eq!(total, (2 << 20) - 6);
        // What is read makes room again, for this stream and for others.
        let mut read = 0;
        let mut buffer = vec![0; 64 << 10];
        while read < (512 << 10) - 1 {
            read += streams[0].1.read(&mut buffer).await.unwrap();
        }
        let write = streams[5].0.write_all(&[7; 200_000]);
        let fits = tokio::time::timeout(Duration::from_secs(1), write).await;
        fits.unwrap().unwrap();
    });
}

#[test]
fn an_end_has_so_many_streams_and_gets_one_back_for_each_that_both_dropped() {
    run(6, || async {
        let mut pair = pair(internet(6, region(10)), [Link::default(); 2]).await;
        let mut streams = Vec::new();
        for _ in 0..32 {
            streams.push(stream(&mut pair).await);
        }
        let more = tokio::time::timeout(Duration::from_secs(1), open(&mut pair.dialled)).await;
        assert!(more.is_err());
        streams.pop();
        let more = tokio::time::timeout(Duration::from_secs(1), open(&mut pair.dialled)).await;
        assert!(more.is_ok());
    });
}

#[test]
fn a_half_can_be_closed_and_a_dropped_end_finishes_and_refuses() {
    run(7, || async {
        let mut pair = pair(internet(7, region(10)), [Link::default(); 2]).await;
        let (mut here, mut there) = stream(&mut pair).await;
        here.write_all(b"question").await.unwrap();
        here.close().await.unwrap();
        here.close().await.unwrap();
        let after = here.write_all(b"more").await.unwrap_err();
        assert_eq!(after.kind(), std::io::ErrorKind::NotConnected);
        let mut question = String::new();
        there.read_to_string(&mut question).await.unwrap();
        there.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        here.read_exact(&mut answer).await.unwrap();
        assert_eq!((question.as_str(), &answer), ("question", b"answer"));
        drop(here);
        sleep_ms(11).await;
        let refused = there.write_all(b"more").await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionReset);

        let (mut here, mut there) = stream(&mut pair).await;
        here.write_all(b"last").await.unwrap();
        drop(here);
        let mut last = String::new();
        there.read_to_string(&mut last).await.unwrap();
        assert_eq!(last, "last");
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn streams_arrive_byte_for_byte(
        seed: u64,
        loss_ppm in 0_u32..300_000,
        jitter_ppm in 0_u32..1_000_000,
        rate in prop_oneof![Just(0_u64), 50_000_u64..5_000_000],
        writes in prop::collection::vec(prop::collection::vec(1_usize..40_000, 0..12), 1..5),
        reads in 1_usize..50_000,
        cut_ms in prop_oneof![Just(None), (0_u64..2_000, 1_u64..6_000).prop_map(Some)],
    ) {
        let sent: Vec<usize> = writes.iter().map(|writes| writes.iter().sum()).collect();
        let carried = move || carry(seed, loss_ppm, jitter_ppm, rate, writes, reads, cut_ms);
        let received = run(seed, carried);
        for (at, (sent, received)) in sent.iter().zip(&received).enumerate() {
            prop_assert!(*received == labelled(at, *sent), "stream {at} is not what was sent");
        }
    }
}

/// Bytes that are different on each stream.
fn labelled(stream: usize, bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| (at * 31 % 251 + stream * 7) as u8)
        .collect()
}

async fn carry(
    seed: u64,
    loss_ppm: u32,
    jitter_ppm: u32,
    rate: u64,
    writes: Vec<Vec<usize>>,
    reads: usize,
    cut_ms: Option<(u64, u64)>,
) -> Vec<Vec<u8>> {
    let link = Link {
        up_bytes_per_s: rate,
        down_bytes_per_s: rate,
        ..Link::default()
    };
    let mut pair = pair(internet(seed, region(15)), [link; 2]).await;
    // Bad only now, so that there is a connection at all.
    pair.internet.set_weather(Weather {
        loss_ppm,
        ..Weather::default()
    });
    let worse = |state: &mut state::State| state.options.jitter_ppm = jitter_ppm;
    pair.internet.with(worse);
    let mut readers = Vec::new();
    for (at, writes) in writes.into_iter().enumerate() {
        let (mut here, mut there) = stream(&mut pair).await;
        tokio::spawn(async move {
            let data = labelled(at, writes.iter().sum());
            let mut rest = data.as_slice();
            for count in writes {
                here.write_all(&rest[..count]).await.unwrap();
                rest = &rest[count..];
                sleep_ms(count as u64 % 20).await;
            }
            here.close().await.unwrap();
            // Its reader is not refused what it has to say.
            here.read_to_end(&mut Vec::new()).await.unwrap();
        });
        readers.push(tokio::spawn(async move {
            let (mut received, mut buffer) = (Vec::new(), vec![0; reads]);
            loop {
                match there.read(&mut buffer).await.unwrap() {
                    0 => return received,
                    count => received.extend_from_slice(&buffer[..count]),
                }
            }
        }));
    }
    if let Some((from_ms, lasts_ms)) = cut_ms {
        sleep_ms(from_ms).await;
        let cut = pair.internet.cut(&pair.hosts[..1]);
        sleep_ms(lasts_ms).await;
        pair.internet.heal(cut);
    }
    let mut all = Vec::new();
    for reader in readers {
        all.push(reader.await.unwrap());
    }
    all
}
