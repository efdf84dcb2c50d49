import { detectBackends } from './detect.ts';

void detectBackends((report) => postMessage(report)).then(() => postMessage('done'));
