import '../../../src/elements.js';
import { Campanile } from '../../../src/index.js';

Object.assign(globalThis, { Campanile });
