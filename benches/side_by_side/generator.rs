//! What makes load and measures answers: wrk, h2load and redis-benchmark. All run for a given time
//! on the same number of connections; one answer that is not a good one spoils a run.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::caller::{Outcome, Question};
use crate::dialect::redis;
use crate::lua::{self, BEGUN, REPORT, Stamp};

/// Connections of every load, as in the goals.
pub(crate) const CONNECTIONS: u32 = 64;

/// HTTP/2 has as many requests open, on fewer connections.
const H2_CONNECTIONS: u32 = 8;

/// When a request counts as lost. wrk's own two seconds are within what a busy machine may take.
const TIMEOUT: &str = "10s";

/// Commands that tell how fast a Redis is, before it is measured for a given time.
const REDIS_TRIAL: u64 = 500;

/// What one run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Runs wrk against a server for so long.
pub(crate) fn wrk(
    address: SocketAddr,
    question: &Question,
    (records, stamp): (usize, Stamp),
    time: Duration,
    dir: &Path,
) -> Outcome<Run> {
    let script = dir.join("wrk.lua");
    std::fs::write(&script, lua::script(address, question, records, stamp))?;
    // wrk knows whole seconds only, but reports well when it is interrupted. That it must not be
    // before it has begun, and if the signal is lost it has to end all the same.
    let seconds = time.as_secs() + 2;
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &CONNECTIONS.to_string(), "--latency"]);
    wrk.args(["--timeout", TIMEOUT]);
    wrk.args(["--duration", &format!("{seconds}s"), "--script"]).arg(&script);
    let mut wrk = wrk.arg(format!("http://{address}")).stdout(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(wrk.stdout.take().ok_or("stdout is piped")?);
    let mut all = String::new();
    while !all.ends_with(BEGUN) && said.read_line(&mut all)? > 0 {}
    std::thread::sleep(time);
    Command::new("kill").args(["-s", "INT", &wrk.id().to_string()]).status()?;
    said.read_to_string(&mut all)?;
    wrk.wait()?;
    read_wrk(&all)
}

fn read_wrk(said: &str) -> Outcome<Run> {
    let line = said.lines().find_map(|line| line.strip_prefix(REPORT));
    let line = line.ok_or_else(|| format!("wrk does not report: {said}"))?;
    let numbers: Vec<f64> = line.split_whitespace().filter_map(|text| text.parse().ok()).collect();
    let [requests, us, p50_us, p99_us, refused, broken] = numbers[..] else {
        return Err(format!("wrk reports `{line}`").into());
    };
    if refused + broken > 0.0 {
        return Err(format!("{refused} answers above 399, {broken} socket errors").into());
    }
    some(Run { requests: requests as u64, seconds: us / 1e6, p50_us, p99_us })
}

/// Runs h2load against a server that speaks TLS; each answer must have so many bytes.
pub(crate) fn h2load(
    address: SocketAddr,
    path: &str,
    bytes: usize,
    time: Duration,
    dir: &Path,
) -> Outcome<Run> {
    let log = dir.join("h2load.tsv");
    let _none_before = std::fs::remove_file(&log);
    let mut h2load = Command::new("h2load");
    h2load.args(["--clients", &H2_CONNECTIONS.to_string(), "--threads", "1"]);
    h2load.args(["--max-concurrent-streams", &(CONNECTIONS / H2_CONNECTIONS).to_string()]);
    h2load.arg(format!("--duration={}ms", time.as_millis())).arg("--log-file").arg(&log);
    let said = output(h2load.arg(format!("https://{address}{path}")))?;
    read_h2load(&said, &std::fs::read_to_string(&log)?, bytes, time)
}

fn read_h2load(said: &str, log: &str, bytes: usize, time: Duration) -> Outcome<Run> {
    let line = |start| said.lines().find_map(|line| line.strip_prefix(start));
    let counts = line("requests:").and_then(|line| {
        let mut counts = line.split(',').filter_map(|part| part.split_whitespace().next());
        let mut counts = (&mut counts).map(|count| count.parse::<u64>().ok());
        Some([counts.next()??, counts.next()??, counts.next()??, counts.next()??])
    });
    let data = line("traffic:").and_then(|line| {
        let (_, data) = line.rsplit_once('(')?;
        data.split_once(')')?.0.parse::<u64>().ok()
    });
    let (Some([_, _, done, good]), Some(data)) = (counts, data) else {
        return Err(format!("h2load does not report: {said}").into());
    };
    // At the end of its time some requests are open, which is no fault.
    if good == 0 || good != done || data / good < bytes as u64 {
        return Err(format!("{good} good answers of {done}, {data} bytes; {bytes} each").into());
    }
    let column = |line: &str| line.split('\t').nth(2)?.parse::<f64>().ok();
    let mut us: Vec<f64> = log.lines().filter_map(column).collect();
    us.sort_by(f64::total_cmp);
    let at = |part: f64| us.get((us.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN);
    some(Run { requests: good, seconds: time.as_secs_f64(), p50_us: at(0.50), p99_us: at(0.99) })
}

/// How many commands a Redis takes in so long: redis-benchmark itself knows no time.
pub(crate) fn redis_count(
    address: SocketAddr,
    command: &redis::Command,
    time: Duration,
) -> Outcome<u64> {
    let trial = redis_benchmark(address, command, REDIS_TRIAL)?;
    let count = trial.requests as f64 / trial.seconds * time.as_secs_f64();
    Ok((count as u64).max(REDIS_TRIAL))
}

/// Runs redis-benchmark for so many commands.
pub(crate) fn redis_benchmark(
    address: SocketAddr,
    command: &redis::Command,
    count: u64,
) -> Outcome<Run> {
    let mut benchmark = Command::new("redis-benchmark");
    benchmark.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    benchmark.args(["-c", &CONNECTIONS.to_string(), "-n", &count.to_string()]);
    benchmark.args(["-r", &command.among.to_string(), "--csv", "--precision", "3"]);
    read_redis(&output(benchmark.args(&command.words))?, count)
}

fn read_redis(said: &str, count: u64) -> Outcome<Run> {
    let line = said.lines().last().unwrap_or_default();
    // Its name, which may have commas, then seven numbers.
    let numbers: Vec<f64> =
        line.rsplit("\",\"").filter_map(|text| text.trim_matches('"').parse().ok()).collect();
    let [_max, p99, _p95, p50, _min, _average, rate, ..] = numbers[..] else {
        return Err(format!("redis-benchmark says {said}").into());
    };
    let seconds = count as f64 / rate;
    some(Run { requests: count, seconds, p50_us: p50 * 1e3, p99_us: p99 * 1e3 })
}

fn some(run: Run) -> Outcome<Run> {
    if run.requests == 0 { Err("no request was answered".into()) } else { Ok(run) }
}

fn output(command: &mut Command) -> Outcome<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    let (said, complaint) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    let said = String::from_utf8_lossy(&said).into_owned();
    if !output.status.success() {
        return Err(format!("{name}: {}: {said}{complaint}", output.status).into());
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_one_bad_answer_is_none() {
        let good = read_wrk("x\nmeasured 1000 2000000 500 900 0 0\n").unwrap();
        assert_eq!(good, Run { requests: 1000, seconds: 2.0, p50_us: 500.0, p99_us: 900.0 });
        for bad in ["measured 1000 2000000 500 900 1 0", "measured 1000 2000000 500 900 0 1", ""] {
            read_wrk(bad).unwrap_err();
        }
        read_wrk("measured 0 2000000 500 900 0 0").unwrap_err();
    }

    #[test]
    fn what_h2load_says_is_understood() {
        let said = "requests: 110 total, 110 started, 100 done, 100 succeeded, 0 failed\n\
             traffic: 1.00MB (1000000) total, 2.00KB (2000) headers, 1.00KB (1000) data\n";
        let log = "1\t200\t300\n2\t200\t100\n3\t200\t200\n";
        let run = read_h2load(said, log, 10, Duration::from_secs(2)).unwrap();
        assert_eq!(run, Run { requests: 100, seconds: 2.0, p50_us: 200.0, p99_us: 300.0 });
        read_h2load(said, log, 11, Duration::from_secs(2)).unwrap_err();
        let failed = said.replace("100 succeeded", "99 succeeded");
        read_h2load(&failed, log, 10, Duration::from_secs(2)).unwrap_err();
    }

    #[test]
    fn what_redis_benchmark_says_is_understood() {
        let figures = r#""1000.00","0.1","0.1","0.2","0.3","0.4","9""#;
        let said = &format!("\"test\",\"rps\"\n\"MGET a,b\",{figures}\n");
        let run = read_redis(said, 500).unwrap();
        assert_eq!(run, Run { requests: 500, seconds: 0.5, p50_us: 200.0, p99_us: 400.0 });
        read_redis("Error from server", 500).unwrap_err();
    }
}
