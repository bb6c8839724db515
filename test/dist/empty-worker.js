// What workerd itself takes: the memory that the example's is counted from.
export default { fetch: () => new Response() };
