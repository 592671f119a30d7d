//! How long packets take from host to host.

use crate::state::State;

/// Bytes of a stream that one packet carries.
pub(crate) const PACKET_BYTES: u32 = 1250;
/// Bytes of IP, UDP and QUIC headers in each packet.
const HEADER_BYTES: u32 = 60;
/// Shortest way from anywhere to anywhere: tokio's clock knows nothing shorter.
const LATENCY_US_MIN: u64 = 1_000;
/// Shortest time until a lost packet is sent again.
const RETRANSMIT_US_MIN: u64 = 50_000;
/// Longest time until a lost packet is sent again.
pub(crate) const RETRANSMIT_US_MAX: u64 = 3_000_000;
/// Rounds of losses after which chance must let a packet through.
const LOSS_ROUNDS_MAX: u32 = 12;
/// Losses cannot be more frequent than this, in millionths.
const LOSS_PPM_MAX: u32 = 950_000;
/// A packet that waits longer before a line makes its sender slow down.
const QUEUE_US_MAX: u64 = 100_000;

/// When something reaches its receiver's line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trip {
    pub(crate) due_us: u64,
    /// Whether it was lost on the way, or waited long: its sender should slow down.
    pub(crate) congested: bool,
}

impl State {
    /// Sends bytes from host to host; what is lost is sent again after `retransmit_us`, or after
    /// one and a half round trips, and then after twice that time.
    pub(crate) fn trip(
        &mut self,
        from: u32,
        to: u32,
        bytes: u32,
        retransmit_us: Option<u64>,
    ) -> Trip {
        let latency_us = self.latency_us(from, to);
        let packets = bytes.div_ceil(PACKET_BYTES).max(1);
        let wire_bytes = u64::from(bytes) + u64::from(packets * HEADER_BYTES);
        let sent_us = self.leave(from, wire_bytes);
        let waited = sent_us - self.now_us > QUEUE_US_MAX;
        let jitter_top = self.between_us(from, to) * u64::from(self.options.jitter_ppm) / 1_000_000;
        let jitter_us = self.random.up_to(jitter_top);
        let (lost, again_us) =
            self.losses(from, to, packets, retransmit_us.unwrap_or(3 * latency_us));
        self.duplicate(to, packets);
        if self.weather.latency_ms > 0 {
            self.weather_effect.slowed += 1;
        }
        self.stats.packets += u64::from(packets);
        Trip {
            due_us: sent_us + again_us + latency_us + jitter_us,
            congested: waited || lost,
        }
    }

    /// Returns the one-way latency between two hosts.
    pub(crate) fn latency_us(&self, from: u32, to: u32) -> u64 {
        if from == to {
            return LATENCY_US_MIN;
        }
        let lines = [from, to].map(|host| u64::from(self.hosts[host as usize].link.latency_ms));
        let added_ms = lines[0] + lines[1] + u64::from(self.weather.latency_ms);
        (self.between_us(from, to) + added_ms * 1_000).max(LATENCY_US_MIN)
    }

    /// Returns the part of the latency that lies between the regions of two hosts: their lines and the weather come on
    /// top, and do not jitter.
    fn between_us(&self, from: u32, to: u32) -> u64 {
        let [from, to] = [from, to].map(|host| self.hosts[host as usize].region);
        1_000 * u64::from(self.options.latency_ms[from][to])
    }

    /// Returns how long a sender waits at first before it sends again.
    pub(crate) fn retransmit_us(&self, from: u32, to: u32) -> u64 {
        (3 * self.latency_us(from, to)).max(RETRANSMIT_US_MIN)
    }

    /// Puts bytes on the line of their sender and returns when the last has left.
    fn leave(&mut self, from: u32, bytes: u64) -> u64 {
        let now_us = self.now_us;
        self.stats.sent_bytes += bytes;
        let host = &mut self.hosts[from as usize];
        host.traffic.up_bytes += bytes;
        host.up_free_us = host.up_free_us.max(now_us) + time_us(bytes, host.link.up_bytes_per_s);
        host.up_free_us
    }

    /// Puts a segment on the line of its receiver; returns when it is through, and whether it
    /// waited long.
    pub(crate) fn enter(&mut self, to: u32, bytes: u32) -> (u64, bool) {
        let packets = bytes.div_ceil(PACKET_BYTES).max(1);
        let wire_bytes = u64::from(bytes) + u64::from(packets * HEADER_BYTES);
        let now_us = self.now_us;
        let host = &mut self.hosts[to as usize];
        host.traffic.down_bytes += wire_bytes;
        let began_us = host.down_free_us.max(now_us);
        host.down_free_us = began_us + time_us(wire_bytes, host.link.down_bytes_per_s);
        (host.down_free_us, began_us - now_us > QUEUE_US_MAX)
    }

    /// Decides which packets are lost, and how much later the last of them arrives for it.
    fn losses(&mut self, from: u32, to: u32, packets: u32, retransmit_us: u64) -> (bool, u64) {
        let usual = self.loss_ppm(from, to);
        let all = usual.saturating_add(self.weather.loss_ppm);
        let (usual, all) = (usual.min(LOSS_PPM_MAX), all.min(LOSS_PPM_MAX));
        if all == 0 {
            return (false, 0);
        }
        let (mut left, mut later_us) = (packets, 0);
        let mut wait_us = retransmit_us.max(RETRANSMIT_US_MIN);
        for _ in 0..LOSS_ROUNDS_MAX {
            let mut lost = 0;
            for _ in 0..left {
                let draw = self.random.ppm();
                lost += u32::from(draw < all);
                self.weather_effect.lost += u64::from((usual..all).contains(&draw));
            }
            if lost == 0 {
                break;
            }
            self.stats.lost += u64::from(lost);
            self.leave(from, u64::from(lost * (PACKET_BYTES + HEADER_BYTES)));
            left = lost;
            later_us += wait_us;
            wait_us = (2 * wait_us).min(RETRANSMIT_US_MAX.max(retransmit_us));
        }
        (later_us > 0, later_us)
    }

    fn loss_ppm(&self, from: u32, to: u32) -> u32 {
        let link = |host: u32| self.hosts[host as usize].link.loss_ppm;
        self.options
            .loss_ppm
            .saturating_add(link(from))
            .saturating_add(link(to))
    }

    fn duplicate(&mut self, to: u32, packets: u32) {
        if self.weather.duplicate_ppm == 0 {
            return;
        }
        for _ in 0..packets {
            if self.random.ppm() < self.weather.duplicate_ppm {
                self.stats.duplicated += 1;
                self.weather_effect.duplicated += 1;
                let bytes = u64::from(PACKET_BYTES + HEADER_BYTES);
                self.hosts[to as usize].traffic.down_bytes += bytes;
            }
        }
    }
}

const fn time_us(bytes: u64, bytes_per_s: u64) -> u64 {
    match bytes_per_s {
        0 => 0,
        rate => bytes * 1_000_000 / rate,
    }
}
