/** Compiles a kernel from the bytes in its module. */

/** Of the types for a browser only this is needed. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
  readonly CompileError: new () => Error;
};

/** What makes instances of the kernel; undefined where the processor or V8 has no SIMD. */
export function compileKernel<Exports extends object>(base64: string): (() => Exports) | undefined {
  let module: object;
  try {
    module = new WebAssembly.Module(Buffer.from(base64, 'base64'));
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return undefined;
    throw error;
  }
  return () => new WebAssembly.Instance(module).exports as Exports;
}
