// Ends with 0 where the address answers 2xx, else with 1 and the reason: `node healthy.mjs http://127.0.0.1:8000/health/ready`.
try {
  const answer = await fetch(process.argv[2], { signal: AbortSignal.timeout(4_000) });
  if (!answer.ok) console.log(`${answer.status} ${await answer.text()}`);
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.log(error.cause?.message ?? error.message);
  process.exitCode = 1;
}
