//! What a device sends to the emulated hub over MQTT: packets, logins, topics and the properties in them.
#![no_main]

use emulator::hub::mqtt_packets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|sent: &[u8]| mqtt_packets(sent));
