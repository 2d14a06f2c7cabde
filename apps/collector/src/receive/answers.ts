import protobuf from 'protobufjs/minimal.js';
import type { Refusal } from './receiver.js';

export const PROTOBUF = 'application/x-protobuf';
export const JSON_TYPE = 'application/json';
export type MediaType = typeof PROTOBUF | typeof JSON_TYPE;

/** gRPC's codes, which `google.rpc.Status` carries, by HTTP status. */
const RPC_CODES: Readonly<Record<number, number>> = { 400: 3, 404: 12, 413: 8, 415: 3, 503: 14 };
const INTERNAL = 13;

/** The media type of a `Content-Type` header without its parameters; `undefined` where OTLP knows no such. */
export function mediaType(header: string | undefined): MediaType | undefined {
  const type = header?.split(';')[0]!.trim().toLowerCase();
  return type === PROTOBUF || type === JSON_TYPE ? type : undefined;
}

/** An `ExportTraceServiceResponse`. Nothing stands in it when all was taken. */
export function encodeResponse(type: MediaType, refusal: Refusal): Buffer {
  if (type === JSON_TYPE) {
    const partialSuccess = { rejectedSpans: String(refusal.spans), errorMessage: refusal.message };
    return Buffer.from(JSON.stringify(refusal.spans === 0 ? {} : { partialSuccess }));
  }
  const writer = new protobuf.Writer();
  if (refusal.spans > 0)
    writer.uint32(0x0a).fork().uint32(0x08).int64(refusal.spans).uint32(0x12).string(refusal.message).ldelim();
  return Buffer.from(writer.finish());
}

/** A `google.rpc.Status`, the body of every refusal. */
export function encodeStatus(type: MediaType, httpStatus: number, message: string): Buffer {
  const code = RPC_CODES[httpStatus] ?? INTERNAL;
  if (type === JSON_TYPE) return Buffer.from(JSON.stringify({ code, message }));
  return Buffer.from(new protobuf.Writer().uint32(0x08).int32(code).uint32(0x12).string(message).finish());
}
