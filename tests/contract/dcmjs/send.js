// node send.js PORT FILE...: sends from CT_1 to EDGE, prints the status of each; its exit code is 1 on a network error.
const { Client, log, requests } = require("dcmjs-dimse");

const [port, ...files] = process.argv.slice(2);
log.setLevel("error");
const client = new Client();
for (const file of files) {
  const request = new requests.CStoreRequest(file);
  request.on("response", (response) => console.log(response.getStatus()));
  client.addRequest(request);
}
client.on("networkError", (error) => {
  console.error(error);
  process.exitCode = 1;
});
client.send("127.0.0.1", Number(port), "CT_1", "EDGE");
