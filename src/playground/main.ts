import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/components.css';
import { startApp } from './app.ts';
import { createServices } from './services/services.ts';

startApp(document.getElementById('app')!, createServices());
